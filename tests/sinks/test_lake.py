"""The lake: created once, read whole, once per event, current, or as it was."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from contracts.errors import LakeNotWritable, TableInvalid, TerminalError
from contracts.tables import TABLES, frame_schema, is_partitioned, nullable_columns
from sinks.lake import Lake
from sinks.transactions import append_messages, append_once, append_revisions
from tests.factories import START_US, at, table_rows


def test_every_table_is_created_with_its_schema(lake: Lake) -> None:
    for name in TABLES:
        table = lake.table(name)
        assert lake.scan(name).collect().schema == frame_schema(name)
        assert table.metadata().partition_columns == (["date"] if is_partitioned(name) else [])
        fields = {field.name: field for field in table.schema().fields}
        assert {n for n, f in fields.items() if f.nullable} == nullable_columns(name)
        assert all(f.metadata.get("comment") for f in fields.values())


def test_creating_again_changes_nothing(lake: Lake) -> None:
    append_once(lake, "models", table_rows("models", [{}]), batch_id="b")
    before = {name: lake.version(name) for name in TABLES}
    lake.create()
    assert {name: lake.version(name) for name in TABLES} == before
    assert lake.scan("models").collect().height == 1
    assert lake.require() is lake


def test_a_root_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "lake"):
        with pytest.raises(LakeNotWritable, match="file") as caught:
            Lake(root).create()
        assert caught.value.hint


def test_a_missing_lake_is_said_so(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "nothing")
    for read in (lake.require, lambda: lake.table("requests"), lambda: lake.scan("requests")):
        with pytest.raises(TerminalError, match="nothing") as caught:
            read()
        assert caught.value.hint


def test_events_are_read_once(lake: Lake) -> None:
    rows = [
        {"event_id": "a", "offset": 0, "kind": "first"},
        {"event_id": "a", "offset": 1, "kind": "marked", "duplicate": True},
        {"event_id": "b", "offset": 2, "kind": "other"},
        {"event_id": "a", "offset": 3, "kind": "unmarked"},
    ]
    append_messages(lake, "signals", "t", table_rows("signals", rows[2:]))
    append_messages(lake, "signals", "u", table_rows("signals", rows[:2]))
    assert lake.scan("signals").collect().height == 4
    assert lake.signals().select("event_id", "kind").collect().rows() == [("a", "first"), ("b", "other")]


def test_requests_are_known_by_request_id(lake: Lake) -> None:
    rows = [{"event_id": f"e{i}", "request_id": "r", "offset": i} for i in range(2)]
    append_messages(lake, "requests", "t", table_rows("requests", rows))
    assert lake.requests().collect()["event_id"].to_list() == ["e0"]


@pytest.fixture
def revised(lake: Lake) -> Lake:
    for revision, day, request in ((1, 0, "r"), (1, 0, "s"), (2, 9, "r")):
        row = {
            "request_id": request,
            "revision": revision,
            "evidence_until": at(day * 86_400),
            "failure_score": revision / 10,
        }
        append_revisions(lake, table_rows("interactions", [row]))
    return lake


def pairs(rows: pl.LazyFrame) -> list[tuple[str, int]]:
    return sorted(rows.select("request_id", "revision").collect().rows())


def test_the_current_view_holds_the_last_revision_of_each_request(revised: Lake) -> None:
    assert pairs(revised.interactions()) == [("r", 2), ("s", 1)]
    assert pairs(revised.interactions(revisions=True)) == [("r", 1), ("r", 2), ("s", 1)]


def test_later_evidence_does_not_leak_into_an_earlier_view(revised: Lake) -> None:
    assert pairs(revised.interactions(as_of=at(86_400))) == [("r", 1), ("s", 1)]
    assert pairs(revised.interactions(as_of=at(9 * 86_400))) == [("r", 2), ("s", 1)]
    assert pairs(revised.interactions(as_of=at(-1))) == []


def test_older_versions_stay_readable(revised: Lake) -> None:
    assert pairs(revised.interactions(version=1)) == [("r", 1)]
    assert revised.scan("interactions", version=0).collect().is_empty()


def test_watermarks_are_kept_with_the_commits(lake: Lake) -> None:
    for i, marks in enumerate([{0: START_US, 1: START_US}, {1: START_US + 5}, None]):
        row = {"request_id": f"r{i}"}
        append_revisions(lake, table_rows("interactions", [row]), watermarks=marks)
    assert lake.watermarks() == {0: START_US, 1: START_US + 5}


def test_rows_that_do_not_fit_are_refused_without_their_values(lake: Lake) -> None:
    bad = table_rows("signals", [{"text": "SECRET"}]).with_columns(offset=pl.lit(-1, dtype=pl.Int64))
    with pytest.raises(TableInvalid, match="offset") as caught:
        append_messages(lake, "signals", "t", bad)
    assert "SECRET" not in f"{caught.value} {caught.value.hint}"
    assert lake.scan("signals").collect().is_empty()
