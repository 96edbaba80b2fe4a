"""Eval sets: files of every format, versions, what is counted, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contracts.errors import SettingsError, TerminalError
from curation.texts.tokens import tokens
from sinks import evals
from sinks.eval_files import EvalFileInvalid
from sinks.evals import Registration, active_items, active_sets, identity, register, remove
from sinks.lake import Lake
from tests.lakes import new_lake

NOW = datetime(2026, 3, 1, tzinfo=UTC)
QUESTION = "How many bolts of blue and white fiber does one robe take in total?"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def add(lake: Lake, path: Path, *fields: str, name: str = "demo", days: int = 0) -> Registration:
    return register(
        lake,
        name,
        path,
        fields,
        count_tokens=lambda t: len(tokens(t)),
        short=8,
        now=NOW + timedelta(days=days),
    )


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_several_fields_lists_ids_and_roles(lake: Lake, tmp_path: Path) -> None:
    path = lines(
        tmp_path / "mt.jsonl",
        {
            "question_id": 81,
            "category": "writing",
            "turns": [QUESTION, "Rewrite it."],
            "reference": ["3", ""],
        },
        {"question_id": 82, "category": "math", "turns": [], "reference": None},
        {"question_id": 81, "category": "math", "turns": ["Same id, other text."]},
    )
    done = add(lake, path)
    assert (done.fields, done.rows, done.items, done.empty_rows, done.short_items) == (
        ("turns", "reference"),
        3,
        2,
        1,
        1,
    )
    rows = active_items(lake, active_sets(lake)).sort("row", "field")
    assert rows.select("item_id", "field", "role", "text").rows() == [
        ("81", "reference[0]", "answer", "3"),
        ("81", "turns[0]", "question", QUESTION),
        ("81", "turns[1]", "question", "Rewrite it."),
        ("81#2", "turns[0]", "question", "Same id, other text."),
    ]


def test_fields_that_are_asked_for_reach_into_objects(lake: Lake, tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.jsonl",
        {"meta": {"q": QUESTION, "lang": "en"}, "messages": [{"role": "user", "content": "Hi"}]},
    )
    add(lake, path, "meta.q", "messages")
    assert set(active_items(lake, active_sets(lake))["field"]) == {"meta.q", "messages[0]"}
    with pytest.raises(EvalFileInvalid, match="no field nope"):
        add(lake, path, "nope")


def test_the_formats_agree(lake: Lake, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"id": ["a", "b"], "question": [QUESTION, 'with "quotes",\nand a line'], "answer": ["3", None]}
    )
    frame.write_parquet(tmp_path / "x.parquet")
    frame.write_csv(tmp_path / "x.csv")
    frame.write_csv(tmp_path / "x.tsv", separator="\t")
    frame.write_ndjson(tmp_path / "x.jsonl")
    (tmp_path / "x.json").write_text(json.dumps(frame.to_dicts()))
    hashes = {
        add(lake, tmp_path / f"x.{suffix}", name=f"set-{suffix}").content_sha256
        for suffix in ("parquet", "csv", "tsv", "jsonl", "json")
    }
    assert len(hashes) == 1
    assert active_items(lake, active_sets(lake)).group_by("eval_set").len()["len"].to_list() == [3] * 5


def test_the_same_content_again_changes_nothing_and_new_content_is_a_new_version(
    lake: Lake, tmp_path: Path
) -> None:
    path = lines(tmp_path / "a.jsonl", {"question": QUESTION})
    assert (add(lake, path).version, add(lake, path, days=1).new) == (1, False)
    before = lake.version("eval_items"), identity(active_sets(lake))
    add(lake, path, days=2)
    assert (lake.version("eval_items"), identity(active_sets(lake))) == before
    second = add(lake, lines(path, {"question": QUESTION + " Really?"}), days=3)
    assert (second.version, second.new) == (2, True)
    assert identity(active_sets(lake)) == [
        {"eval_set": "demo", "version": 2, "content_sha256": second.content_sha256}
    ]
    assert active_items(lake, active_sets(lake))["text"].to_list() == [QUESTION + " Really?"]


def test_a_removed_set_is_out_of_force_and_may_come_back(lake: Lake, tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"question": QUESTION})
    add(lake, path)
    assert remove(lake, "demo", now=NOW + timedelta(days=1)) == 1
    assert active_sets(lake).is_empty()
    assert active_items(lake, active_sets(lake)).is_empty()
    with pytest.raises(TerminalError, match="no eval set demo"):
        remove(lake, "demo", now=NOW)
    assert add(lake, path, days=2).version == 2
    assert active_sets(lake)["version"].to_list() == [2]


def test_a_registration_that_was_killed_leaves_nothing(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lines(tmp_path / "a.jsonl", *({"id": n, "question": f"{QUESTION} {n}"} for n in range(4)))
    monkeypatch.setattr(evals, "_append_set", lambda *_: pytest.fail("killed here"))
    with pytest.raises(pytest.fail.Exception):
        add(lake, path)
    monkeypatch.undo()
    assert active_sets(lake).is_empty()
    assert add(lake, lines(path, {"id": 9, "question": QUESTION}), days=1).version == 1
    assert lake.scan("eval_items").collect()["item_id"].to_list() == ["9"]


def test_many_rows_in_many_commits(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evals, "ITEM_ROWS", 1_000)
    monkeypatch.setattr("sinks.eval_files.BATCH", 500)
    path = lines(tmp_path / "a.jsonl", *({"question": f"{QUESTION} {n}"} for n in range(3_210)))
    assert add(lake, path).items == 3_210
    rows = active_items(lake, active_sets(lake))
    assert sorted(rows["row"]) == list(range(3_210))
    assert lake.version("eval_items") == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"question": "x"}\n{not json}\n', "a.jsonl:2: not JSON"),
        ("a.jsonl", b"[1, 2]\n", "a.jsonl:1: not a JSON object"),
        ("a.jsonl", b'{"question": "\xff\xfe"}\n', "not JSON"),
        ("a.jsonl", b"", "which field holds the questions"),
        ("a.jsonl", b'{"question": ""}\n{"question": "  "}\n', "which field holds the questions"),
        ("a.jsonl", b'{"label": "yes"}\n', "which field holds the questions"),
        ("a.parquet", b"PAR1 but not really", "not a readable Parquet file"),
        ("a.csv", b"", "no header line"),
        ("a.csv", b"question\n\xff\xfe\n", "not UTF-8"),
        ("a.xlsx", b"", "unknown format"),
    ],
)
def test_files_that_cannot_be_used(
    lake: Lake, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(EvalFileInvalid, match=message):
        add(lake, path)
    assert active_sets(lake).is_empty()


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../x", "-x"])
def test_names_that_are_none(lake: Lake, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="no name for an eval set"):
        add(lake, lines(tmp_path / "a.jsonl", {"question": QUESTION}), name=name)


def test_odd_texts_are_kept_as_they_are(lake: Lake, tmp_path: Path) -> None:
    odd = ["\x00\x1b[31mred", "😀" * 50, "سؤال " * 20, "x" * 1_000_000]
    add(lake, lines(tmp_path / "a.jsonl", *({"question": text} for text in odd)))
    assert active_items(lake, active_sets(lake)).sort("row")["text"].to_list() == odd
