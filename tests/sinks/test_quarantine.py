"""Releases, and lakes of versions that had no quarantine ids."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from contracts.errors import SettingsError, TerminalError
from contracts.tables import frame_schema
from sinks.lake import Lake
from sinks.quarantine import history, quarantined, release, released
from sinks.transactions import append_once
from tests.factories import table_rows
from tests.lakes import new_lake

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def refuse(lake: Lake, *ids: str, drop: str = "d1") -> None:
    rows = table_rows(
        "quarantine", [{"quarantine_id": i, "drop_id": drop, "reason": "contaminated"} for i in ids]
    )
    append_once(lake, "quarantine", rows, batch_id=f"drop/{drop}")


def test_a_release_is_recorded_once(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    refuse(lake, "one", "two")
    refuse(lake, "one", drop="d2")
    assert released(lake) == frozenset()
    assert release(lake, "one", "our own wording, shared with the eval by agreement", now=NOW)
    assert not release(lake, "one", "again", now=NOW)
    assert released(lake) == {"one"}
    row = lake.scan("releases").collect().row(0, named=True)
    assert (row["reason"], row["released_at"]) == ("our own wording, shared with the eval by agreement", NOW)
    flags = quarantined(lake, reason="contaminated").select("quarantine_id", "released").collect().rows()
    assert sorted(flags) == [("one", True), ("one", True), ("two", False)]
    assert sorted(history(lake, "one")["drop_id"]) == ["d1", "d2"]
    assert quarantined(lake, drop_id="d2").collect().height == 1


def test_what_cannot_be_released(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    refuse(lake, "one")
    with pytest.raises(TerminalError, match="nothing in quarantine has the id nope"):
        release(lake, "nope", "why not", now=NOW)
    with pytest.raises(SettingsError, match="needs a reason"):
        release(lake, "one", "  ", now=NOW)
    assert released(lake) == frozenset()


def test_a_lake_of_an_older_version_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    new = ["quarantine_id", "evidence"]
    old = table_rows("quarantine", [{"drop_id": "d0"}]).drop(new)
    write_deltalake(lake.uri("quarantine"), old, partition_by="date")
    rows = quarantined(lake).collect()
    assert rows.select("drop_id", *new, "released").rows() == [("d0", None, None, False)]
    assert released(lake) == frozenset()
    before = lake.content_version("quarantine")
    lake.create()
    assert lake.content_version("quarantine") == before
    fields = [field.name for field in DeltaTable(lake.uri("quarantine")).schema().fields]
    assert set(fields) == set(frame_schema("quarantine"))
    refuse(lake, "one")
    rows = lake.scan("quarantine").collect()
    assert rows.schema == frame_schema("quarantine")
    assert rows.filter(pl.col("quarantine_id").is_null())["drop_id"].to_list() == ["d0"]
    version = lake.version("quarantine")
    lake.create()
    assert lake.version("quarantine") == version
