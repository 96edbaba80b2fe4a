"""The contamination benchmark on small files of other people's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from benchmarks.contamination_leaks import edited, planted
from benchmarks.contamination_rows import Case, cases, eval_items
from contracts.errors import TerminalError
from curation.contamination.sides import TURN
from tests.curation.contamination.samples import DUCKS, EVALS, PLAIN, ROBE, TRAINS
from tests.curation.contamination.test_paraphrase import DUCKS_REPHRASED

CHECKOUT = Path(__file__).parents[2]


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("row", "sides"),
    [
        ({"text": "a"}, ("a", None, None)),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, ("a", "b", "c")),
        (
            {
                "prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
                "chosen": [{"role": "assistant", "content": "c"}],
            },
            (f"a{TURN}b", "c", None),
        ),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
            (f"a{TURN}b", None, None),
        ),
        ({"conversations": [{"from": "human", "value": "a"}]}, ("a", None, None)),
        ({"turns": ["a", "b"]}, (f"a{TURN}b", None, None)),
        ({"question": "a", "answer": "b"}, ("a", "b", None)),
        ({"prompt": "a", "completion": "b"}, ("a", "b", None)),
        ({"question_id": 1, "choices": [{"turns": ["a", "b"]}]}, (None, f"a{TURN}b", None)),
    ],
)
def test_shapes_of_rows(tmp_path: Path, row: dict[str, Any], sides: tuple[str | None, ...]) -> None:
    (case,) = cases(lines(tmp_path / "rows.jsonl", row), leaks=False)
    assert (case.prompt, case.chosen, case.rejected) == sides


def test_a_tree_is_a_row_per_message(tmp_path: Path) -> None:
    tree = {"prompt": {"text": "a", "replies": [{"text": "b", "replies": [{"text": "c"}]}, {"text": "d"}]}}
    assert [case.prompt for case in cases(lines(tmp_path / "x.jsonl", tree), leaks=False)] == [
        "a",
        "b",
        "c",
        "d",
    ]


def test_rows_of_a_parquet_file_with_conversations_as_json(tmp_path: Path) -> None:
    turns = json.dumps([{"role": "user", "content": "a"}])
    pl.DataFrame({"prompt": [turns], "chosen": ["[not a conversation]"]}).write_parquet(
        tmp_path / "x.parquet"
    )
    (case,) = cases(tmp_path / "x.parquet", leaks=False)
    assert (case.prompt, case.chosen) == ("a", "[not a conversation]")


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="row 2 has no text in a known place"):
        cases(lines(tmp_path / "x.jsonl", {"text": "a"}, {"n": 1}), leaks=False)
    with pytest.raises(TerminalError, match="has no rows"):
        cases(lines(tmp_path / "y.jsonl"), leaks=True)
    (tmp_path / "evals").mkdir()
    with pytest.raises(TerminalError, match="holds no eval file"):
        eval_items(tmp_path / "evals")


def test_leaks_are_planted_as_they_say() -> None:
    hosts = [Case(f"{PLAIN} {PLAIN}", PLAIN, PLAIN)]
    found = planted(EVALS, hosts, seed=1)
    by_kind = {
        kind: [case for case in found if case.kind == kind] for kind in ("verbatim", "embedded", "edited")
    }
    assert [len(part) for part in by_kind.values()] == [4, 4, 4]
    texts = dict(EVALS.select("item_id", "text").iter_rows())
    for case in by_kind["embedded"]:
        assert texts[case.source or ""] in case.text()
        assert len(case.text()) > len(texts[case.source or ""]) + len(PLAIN)
    for case in by_kind["edited"]:
        assert case.prompt != texts[case.source or ""]
    import random

    assert (
        sum(a != b for a, b in zip(DUCKS.split(), edited(DUCKS, random.Random(2)).split(), strict=False)) > 0
    )


def test_the_command_measures_given_files(tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    lines(
        tmp_path / "evals" / "maths.jsonl",
        *({"id": n, "question": q} for n, q in enumerate((DUCKS, ROBE, TRAINS))),
    )
    leaks = lines(
        tmp_path / "leaks.jsonl",
        {"text": DUCKS, "kind": "verbatim", "original_id": "0"},
        {"text": f"{PLAIN} {ROBE}", "kind": "embedded", "original_id": "1"},
        {"text": DUCKS_REPHRASED, "kind": "paraphrase", "original_id": 0},
        {"text": PLAIN, "kind": "none of them"},
    )
    clean = lines(
        tmp_path / "clean.jsonl", {"messages": [{"role": "user", "content": PLAIN}]}, {"text": "Hello!"}
    )
    command = [sys.executable, "-m", "benchmarks.contamination", "--json", "--no-peer"]
    files = ["--evals-dir", str(tmp_path / "evals"), "--leaks", str(leaks), "--clean", str(clean)]
    done = subprocess.run([*command, *files], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["recall"] == {"embedded": 1.0, "none of them": 0.0, "paraphrase": 1.0, "verbatim": 1.0}
    assert result["precision"] == 1.0
    assert result["right_item"] == {"embedded": 1.0, "paraphrase": 1.0, "verbatim": 1.0}
    assert result["recall_by_layer"]["paraphrase"]["exact"] == 0
    assert result["throughput_ratio"] is None
    assert result["datatrove"] == "not asked for"
    broken = subprocess.run([*command, *files[:2]], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert broken.returncode == 1
    assert "belong together" in broken.stderr
