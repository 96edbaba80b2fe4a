"""The journal of paid answers: kept line by line, taken over from the dead, never stored twice."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sinks.judge_journal import JudgeJournal, adopt
from sinks.judgments import JudgmentIndex, store_judgments
from sinks.lake import Lake
from tests.factories import table_rows

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.create()
    return lake


def verdict(content: str, **fields: Any) -> dict[str, Any]:
    return {
        "epoch": "e1",
        "content_hash": content,
        "request_id": f"r-{content}",
        "origin": "online",
        "calls": 1,
        "judge": "openai:fake",
        "verdict": "fail",
        "failure_kind": "factual",
        "severity": 3,
        "confidence": 0.9,
        "rationale": "Sagt „Höhe“.\n\u2028",
        "improved_response": None,
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_usd": 0.001,
        "judged_at": AT,
        "date": AT.date(),
        **fields,
    }


def stored(lake: Lake) -> pl.DataFrame:
    return lake.scan("judgments").sort("epoch", "content_hash").collect()


NOTER = """
import json, sys, time
from pathlib import Path
from tests.sinks.test_judge_journal import verdict
from sinks.judge_journal import JudgeJournal
journal = JudgeJournal(Path(sys.argv[1]))
for content in sys.argv[2:]:
    journal.note(verdict(content))
print("noted", flush=True)
time.sleep(60)
"""


def noted_and_killed(folder: Path, *contents: str) -> None:
    """A process that noted verdicts and was killed."""
    command = [sys.executable, "-c", NOTER, str(folder), *contents]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"noted\n"
        process.send_signal(signal.SIGKILL)


def test_what_a_killed_process_noted_is_stored_whole(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    noted_and_killed(folder, "a", "b")
    with JudgeJournal(folder) as journal:
        assert journal.settle(lake) == 2
        assert journal.settle(lake) == 0
    rows = stored(lake)
    whole = table_rows("judgments", [verdict("a"), verdict("b")])
    assert rows.equals(whole.select(rows.columns))
    assert list(folder.glob("*")) == [folder / ".adopting"]


def test_a_living_process_keeps_its_file(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    with JudgeJournal(folder) as journal:
        journal.note(verdict("a"))
        assert adopt(folder, lake) == 0
        (file,) = folder.glob("*.jsonl")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # its owner left without storing
    assert adopt(folder, lake) == 1


def test_who_adopts_second_waits_for_the_first(lake: Lake, tmp_path: Path, monkeypatch: Any) -> None:
    folder, stored_by = tmp_path / "judge", list[str]()
    noted_and_killed(folder, "a", "b")
    began = threading.Event()
    store = store_judgments

    def slowly(*arguments: Any, **options: Any) -> int:
        began.set()
        time.sleep(0.3)
        done = store(*arguments, **options)
        stored_by.append(threading.current_thread().name)
        return done

    monkeypatch.setattr("sinks.judge_journal.store_judgments", slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(adopt, folder, lake)
        assert began.wait(10)
        assert adopt(folder, lake) == 0
        assert len(stored_by) == 1, "it came back before the verdicts were in the table"
        assert first.result() == 2


def test_what_the_table_holds_is_not_stored_again(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    noted_and_killed(folder, "a", "b", "a")
    held = [verdict("a", verdict="pass"), verdict("b", epoch="e2")]
    store_judgments(lake, table_rows("judgments", held))
    assert adopt(folder, lake) == 1
    assert stored(lake).select("epoch", "content_hash", "verdict").rows() == [
        ("e1", "a", "pass"),
        ("e1", "b", "fail"),
        ("e2", "b", "fail"),
    ]


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_last_line_that_was_cut_off_is_left_out(lake: Lake, tmp_path: Path, cut: int) -> None:
    folder = tmp_path / "judge"
    noted_and_killed(folder, "a", "b")
    (file,) = folder.glob("*.jsonl")
    os.truncate(file, file.stat().st_size - cut)
    # the last byte is the line's end: without it the row is whole
    assert adopt(folder, lake) == (2 if cut == 1 else 1)


def test_rows_of_another_release_are_kept_aside(
    lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "judge"
    with JudgeJournal(folder) as journal:
        journal.note(verdict("a", confidence=7.0))
    noted_and_killed(folder, "b")
    assert adopt(folder, lake) == 1
    assert [path.name[-9:] for path in folder.iterdir() if path.suffix] == [".unusable"]
    assert "is kept as" in caplog.text
    assert "Höhe" not in caplog.text


def test_columns_a_release_does_not_know_are_no_obstacle(lake: Lake, tmp_path: Path) -> None:
    older = {k: v for k, v in verdict("a").items() if k not in ("origin", "calls")}
    with JudgeJournal(tmp_path / "judge") as journal:
        journal.note({**older, "of_the_future": 1})
    assert adopt(tmp_path / "judge", lake) == 1
    assert stored(lake)["origin"].to_list() == [None]


def test_after_a_failed_append_the_next_settle_stores_it(lake: Lake, tmp_path: Path) -> None:
    away = Lake(tmp_path / "nowhere")
    with JudgeJournal(tmp_path / "judge") as journal:
        journal.note(verdict("a"))
        with pytest.raises(Exception, match="nowhere"):
            journal.settle(away)
        assert journal.settle(lake) == 1
        journal.note(verdict("b"))
        journal.clear()
    assert list((tmp_path / "judge").glob("*.jsonl")) == []
    assert stored(lake)["content_hash"].to_list() == ["a"]


def test_a_journal_that_cannot_be_written_stops_no_judge(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "judge").write_text("a file where the folder should be")
    with JudgeJournal(tmp_path / "judge") as journal:
        journal.note(verdict("a"))
        journal.note(verdict("b"))
        assert store_judgments(lake, table_rows("judgments", [verdict("a")])) == 1
        assert journal.settle(lake) == 1
    assert stored(lake).height == 2


def test_two_who_judged_the_same_keep_one_verdict(lake: Lake) -> None:
    """Both looked before either stored: the later one finds out at its commit."""
    first, second = JudgmentIndex(lake), JudgmentIndex(lake)
    rows = table_rows("judgments", [verdict("a"), verdict("b")])
    assert first.held(rows).is_empty()
    assert second.held(rows).is_empty()
    assert store_judgments(lake, rows, index=first) == 2
    assert store_judgments(lake, table_rows("judgments", [verdict("b"), verdict("c")]), index=second) == 1
    assert stored(lake)["content_hash"].to_list() == ["a", "b", "c"]


def test_the_index_reads_each_file_once_and_forgets_nothing(lake: Lake, monkeypatch: Any) -> None:
    monkeypatch.setattr("sinks.judgments._RECENT", 10)
    index = JudgmentIndex(lake)
    for start in range(0, 40, 8):
        rows = table_rows("judgments", [verdict(f"c{n}") for n in range(start, start + 8)])
        assert store_judgments(lake, rows, index=index) == 8
    read: list[Any] = []
    scan = pl.scan_parquet
    monkeypatch.setattr(
        pl, "scan_parquet", lambda files, **options: read.extend(files) or scan(files, **options)
    )
    every = pl.DataFrame({"epoch": "e1", "content_hash": [f"c{n}" for n in range(50)]})
    assert index.held(every).height == 40
    assert len(read) == 1  # the last append
    assert index.held(every.filter(pl.col("content_hash") == "c45")).is_empty()
    assert len(read) == 1
