"""Files written beside deltalake are files deltalake itself could have written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from sinks.files import statistics, write_files
from sinks.lake import Lake
from sinks.transactions import append_messages
from tests.factories import START, table_rows


def test_each_day_gets_its_file_and_the_table_reads_back_what_was_written(lake: Lake) -> None:
    rows = table_rows(
        "requests",
        [
            {
                "request_id": f"r{i}",
                "offset": i,
                "date": START.date() + timedelta(days=i % 2),
                "consent_scopes": ["a", "b"],
            }
            for i in range(6)
        ],
    )
    append_messages(lake, "requests", "t", rows)
    read = lake.scan("requests").collect()
    assert read.sort("offset").equals(rows.select(read.columns))
    assert len(DeltaTable(lake.uri("requests")).file_uris()) == 2


def test_deltalake_can_merge_such_files(lake: Lake) -> None:
    for i in range(3):
        append_messages(lake, "requests", "t", table_rows("requests", [{"request_id": f"r{i}", "offset": i}]))
    DeltaTable(lake.uri("requests")).optimize.compact()
    assert len(DeltaTable(lake.uri("requests")).file_uris()) == 1
    assert sorted(lake.scan("requests").collect()["offset"]) == [0, 1, 2]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**9), st.integers(0, 10**12)), min_size=1))
def test_statistics_bound_every_row(rows: list[tuple[int, int, int]]) -> None:
    frame = pl.DataFrame(
        [(p, o, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=t)) for p, o, t in rows],
        schema={"partition": pl.Int32, "offset": pl.Int64, "occurred_at": pl.Datetime("us", "UTC")},
        orient="row",
    )
    stated = statistics(frame)
    assert stated["numRecords"] == len(rows)
    for name in frame.columns:
        low, high = stated["minValues"][name], stated["maxValues"][name]
        if name == "occurred_at":
            low, high = datetime.fromisoformat(low), datetime.fromisoformat(high)
        assert (low, high) == (frame[name].min(), frame[name].max())


def test_filters_on_bounded_columns_find_their_rows(lake: Lake) -> None:
    for start in (0, 10, 20):
        rows = [
            {"request_id": f"r{i}", "offset": i, "occurred_at": START + timedelta(microseconds=i)}
            for i in range(start, start + 10)
        ]
        append_messages(lake, "requests", "t", table_rows("requests", rows))
    scan = lake.scan("requests")
    for i in (0, 9, 15, 29):
        assert scan.filter(pl.col("offset") == i).collect()["request_id"].to_list() == [f"r{i}"]
        moment = START + timedelta(microseconds=i)
        assert scan.filter(pl.col("occurred_at") == moment).collect()["request_id"].to_list() == [f"r{i}"]


def test_nothing_is_written_into_a_folder_that_vanished(tmp_path: Path) -> None:
    rows = table_rows("requests", [{"request_id": "r1"}])
    with pytest.raises(FileNotFoundError):
        write_files(tmp_path / "gone", rows, partition_by="date")
    assert list(tmp_path.iterdir()) == []
