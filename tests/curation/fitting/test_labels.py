"""Labels from outcomes, gold labels and files: what they mean, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contracts.errors import LabelsInvalid
from curation.fitting.labels import load_labels, read_file
from sinks.lake import Lake
from sinks.transactions import append_once
from tests.curation.dialogues import asked, did, turned_out
from tests.factories import at, table_rows
from tests.lakes import ingest, new_lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = new_lake(tmp_path / "lake")
    events = asked("a") + turned_out("a", success=False) + asked("b") + turned_out("b", success=True)
    events += asked("torn") + turned_out("torn", success=True) + turned_out("torn", success=False, seconds=70)
    ingest(lake, events + asked("silent") + did("silent", "accept"))
    return lake


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    frame = pl.DataFrame(rows)
    {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson}[path.suffix](
        path
    )
    return path


def test_outcomes_label_what_was_observed_and_nothing_else(lake: Lake) -> None:
    found = load_labels(lake, "outcomes")
    assert found.rows.rows() == [("request-a", True), ("request-b", False)]
    assert found.excluded == ("outcome",)
    assert found.set_aside == {"undecided": 1}


def test_the_newest_gold_label_of_a_request_counts(lake: Lake) -> None:
    rows = [
        {"request_id": "request-a", "label": "fail", "labelled_at": at(1)},
        {"request_id": "request-a", "label": "pass", "labelled_at": at(2)},
        {"request_id": "request-b", "label": "fail", "labelled_at": at(1)},
    ]
    append_once(lake, "gold_labels", table_rows("gold_labels", rows), batch_id="g")
    assert load_labels(lake, "gold").rows.rows() == [("request-a", False), ("request-b", True)]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_files_of_every_kind(lake: Lake, tmp_path: Path, suffix: str) -> None:
    rows = [{"request_id": "request-b", "label": " Pass"}, {"request_id": "request-a", "label": "FAIL"}]
    found = load_labels(lake, str(write(tmp_path / f"labels{suffix}", rows)))
    assert found.rows.rows() == [("request-a", True), ("request-b", False)]
    assert (found.source, found.excluded, found.set_aside) == (f"labels{suffix}", (), None)


@pytest.mark.parametrize(("true_means", "expected"), [("fail", True), ("pass", False)])
@pytest.mark.parametrize("values", [(True, False), (1, 0)])
def test_true_and_false_mean_what_is_said(
    tmp_path: Path, true_means: str, expected: bool, values: tuple[Any, Any]
) -> None:
    rows = [{"request_id": "a", "bad": values[0]}, {"request_id": "b", "bad": values[1]}]
    path = write(tmp_path / "labels.csv", rows)
    found = read_file(path, column="bad", true_means=true_means)
    assert found.rows() == [("a", expected), ("b", not expected)]
    with pytest.raises(LabelsInvalid, match="which of them failed"):
        read_file(path, column="bad")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("a", "fail"), ("a", "pass")], "both fail and pass: a"),
        ([("a", "fail"), ("a", "fail")], "more than once: a"),
        ([("a", "fail"), ("b", None)], "no id or no label"),
        ([("a", "fail"), ("b", "maybe")], "neither fail nor pass"),
        ([("a", "fail"), ("b", "true")], "neither fail nor pass"),
    ],
)
def test_labels_that_cannot_be_used(tmp_path: Path, rows: list[tuple[str, Any]], words: str) -> None:
    path = write(tmp_path / "labels.jsonl", [{"request_id": r, "label": label} for r, label in rows])
    with pytest.raises(LabelsInvalid, match=words) as caught:
        read_file(path)
    assert caught.value.hint


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text("{nonsense")
    (tmp_path / "other.csv").write_text("id,verdict\na,fail\n")
    for name, words in (
        ("labels.xml", "labels are read from"),
        ("missing.csv", "is not a file"),
        ("labels.jsonl", "cannot be read"),
        ("other.csv", "no column request_id and no label"),
    ):
        with pytest.raises(LabelsInvalid, match=words) as caught:
            read_file(tmp_path / name)
        assert caught.value.hint


def test_unknown_requests_are_an_error_unless_skipped(lake: Lake, tmp_path: Path) -> None:
    rows = [{"request_id": "request-a", "label": "fail"}, {"request_id": "gone", "label": "pass"}]
    path = str(write(tmp_path / "labels.csv", rows))
    with pytest.raises(LabelsInvalid, match=r"1 of 2 labels .* gone"):
        load_labels(lake, path)
    found = load_labels(lake, path, skip_unknown=True)
    assert (found.rows["request_id"].to_list(), found.set_aside) == (["request-a"], {"unknown": 1})
