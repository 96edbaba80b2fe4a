"""Lakes that an older release made: tables that lack columns of today's contract."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contracts import tables
from sinks import lake as lakes
from sinks.lake import Lake
from sinks.transactions import append_once
from tests.curation.dialogues import asked
from tests.lakes import ingest, new_lake

GONE = ("region", "license", "duplicate")


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake whose `requests` has two rows and none of the columns `GONE`."""
    schema = tables.frame_schema("requests")
    with monkeypatch.context() as then:
        then.setattr(lakes, "arrow_schema", lambda name: without(lakes_schema(name), name))
        lake = new_lake(tmp_path / "lake")
    rows = new_lake(tmp_path / "other")
    ingest(rows, asked("a") + asked("b"))
    old = rows.scan("requests").collect().drop(GONE)
    from deltalake import write_deltalake

    write_deltalake(lake.uri("requests"), old.to_arrow(), mode="append", partition_by="date")
    assert set(GONE) <= set(schema)
    return lake


lakes_schema = lakes.arrow_schema


def without(schema: Any, name: str) -> Any:
    if name != "requests":
        return schema
    for column in GONE:
        schema = schema.remove(schema.get_field_index(column))
    return schema


def test_columns_it_lacks_are_null(older: Lake) -> None:
    rows = older.scan("requests").collect()
    assert rows.schema == tables.frame_schema("requests")
    assert rows.height == 2
    assert rows.select(pl.col(GONE).null_count().eq(2)).row(0) == (True,) * len(GONE)


def test_the_first_append_adds_them_and_keeps_the_rows(older: Lake) -> None:
    before = older.content_version("requests")
    new = (
        older.scan("requests")
        .collect()
        .with_columns(
            request_id=pl.col("request_id") + "-new", region=pl.lit("eu"), duplicate=pl.lit(value=False)
        )
    )
    assert append_once(older, "requests", new, batch_id="one") == 2
    assert append_once(older, "requests", new, batch_id="one") == 0
    rows = older.scan("requests").collect().sort("request_id")
    assert rows["region"].to_list() == [None, "eu", None, "eu"]
    assert older.scan("requests", version=before).collect()["region"].to_list() == [None, None]


def test_two_writers_may_be_the_first_at_once(older: Lake) -> None:
    rows = older.scan("requests").collect().with_columns(duplicate=pl.lit(value=False))
    written: list[int] = []

    def write(n: int) -> None:
        written.append(append_once(older, "requests", rows, batch_id=f"writer {n}"))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == [2] * 4
    assert older.scan("requests").collect().height == 10
