"""Bronze appends: every offset of a topic-partition once, whatever repeats, overlaps or races."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import CommitFenced
from sinks import transactions
from sinks.lake import Lake
from sinks.transactions import append_messages, offset_app_id, stored_offset
from tests.factories import table_rows


def batch(offsets: Iterable[int], *, partition: int = 0) -> pl.DataFrame:
    rows = [{"event_id": f"e{o}", "offset": o, "partition": partition} for o in offsets]
    return table_rows("signals", rows)


def stored(lake: Lake, partition: int = 0) -> list[int]:
    rows = lake.scan("signals").filter(partition=partition).collect()
    return sorted(rows["offset"])


def test_repeated_and_overlapping_batches_write_only_what_is_new(lake: Lake) -> None:
    assert append_messages(lake, "signals", "t", batch(range(3))) == 3
    assert append_messages(lake, "signals", "t", batch(range(3))) == 0
    assert append_messages(lake, "signals", "t", batch(range(1, 5))) == 2
    assert stored(lake) == [0, 1, 2, 3, 4]
    assert stored_offset(lake.table("signals"), "t", 0) == 4


def test_a_batch_with_nothing_new_makes_no_commit(lake: Lake) -> None:
    append_messages(lake, "signals", "t", batch(range(3)))
    before = lake.version("signals")
    append_messages(lake, "signals", "t", batch(range(3)))
    append_messages(lake, "signals", "t", batch([]))
    assert lake.version("signals") == before


def test_topics_and_partitions_are_counted_apart(lake: Lake) -> None:
    append_messages(lake, "signals", "t", batch(range(5)))
    assert append_messages(lake, "signals", "t", batch(range(2), partition=1)) == 2
    assert append_messages(lake, "signals", "other", batch(range(2))) == 2
    table = lake.table("signals")
    assert table.transaction_version(offset_app_id("t", 1)) == 1
    assert stored_offset(table, "nothing", 0) == -1


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(1, 5)), max_size=6), st.uuids())
def test_replays_from_anywhere_leave_each_offset_once(
    lake: Lake, reads: list[tuple[int, int, int]], topic: object
) -> None:
    # A reader may go back, never forward past what was stored.
    ends = {0: 0, 1: 0}
    before = lake.scan("signals").collect().height
    for partition, back, size in reads:
        start = max(ends[partition] - back, 0)
        append_messages(lake, "signals", str(topic), batch(range(start, start + size), partition=partition))
        ends[partition] = max(ends[partition], start + size)
    assert lake.scan("signals").collect().height - before == sum(ends.values())


def test_a_writer_that_was_overtaken_filters_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    zombie, worker = Lake(lake.root), Lake(lake.root)
    real, calls = transactions.add_rows, []

    def overtaken(*args: object, **options: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            append_messages(worker, "signals", "t", batch(range(3)))
        real(*args, **options)

    monkeypatch.setattr(transactions, "add_rows", overtaken)
    assert append_messages(zombie, "signals", "t", batch(range(5))) == 2
    assert stored(lake) == [0, 1, 2, 3, 4]


def test_endless_fencing_ends_in_an_error(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    real, counter = transactions.add_rows, iter(range(0, 1000, 2))

    def always_overtaken(table: object, *args: object, **options: object) -> None:
        offset = next(counter)
        with monkeypatch.context() as patch:
            patch.setattr(transactions, "add_rows", real)
            append_messages(lake, "signals", "t", batch([offset]))
        real(table, *args, **options)

    monkeypatch.setattr(transactions, "add_rows", always_overtaken)
    with pytest.raises(CommitFenced) as caught:
        append_messages(lake, "signals", "t", batch(range(1000)))
    assert caught.value.hint


def test_two_writers_at_once_leave_each_offset_once(lake: Lake) -> None:
    barrier = Barrier(2)

    def write(root: str) -> int:
        own = Lake(root)
        total = 0
        for end in range(2, 9, 2):
            barrier.wait()
            total += append_messages(own, "signals", "t", batch(range(end)))
        return total

    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(write, [lake.root] * 2))
    assert stored(lake) == list(range(8))
    assert sum(written) == 8
