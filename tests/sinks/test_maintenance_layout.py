"""Which files are worth merging: decided from sizes, days and the clock alone."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinks.lake import Lake
from sinks.maintenance_layout import (
    DayFiles,
    Step,
    day_files,
    even_target,
    is_over,
    merged_sizes,
    step_for,
    worth_merging,
)
from tests.sinks.crumbs import DAY_US, FIRST_DAY, fill, next_day, options

MB = 1 << 20
HOUR_US = DAY_US // 24
MARCH_2 = 1_772_409_600_000_000
"""2026-03-02T00:00Z: the end of the first day of the tests, microseconds."""


def files(*sizes: int, day: date | None = FIRST_DAY) -> DayFiles:
    return DayFiles("signals", day, tuple(sizes), rows=len(sizes))


def test_a_day_is_over_when_its_end_is_far_enough_in_the_past() -> None:
    assert not is_over(FIRST_DAY, MARCH_2 + HOUR_US - 1, HOUR_US)
    assert is_over(FIRST_DAY, MARCH_2 + HOUR_US, HOUR_US)
    assert not is_over(None, MARCH_2 * 10, 0)


@pytest.mark.parametrize(
    ("sizes", "worth"),
    [
        ((), False),
        ((1 * MB,), False),
        ((200 * MB,), False),
        ((1 * MB, 1 * MB), True),
        ((200 * MB, 130 * MB), False),
        ((100 * MB, 1 * MB), False),
        ((100 * MB, 30 * MB), True),
        ((100 * MB, *[1] * 7), False),
        ((100 * MB, *[1] * 8), True),
        ((200 * MB, 200 * MB, 3 * MB), False),
    ],
)
def test_small_files_are_merged_when_that_is_worth_a_rewrite(sizes: tuple[int, ...], worth: bool) -> None:
    assert worth_merging(sizes, 256 * MB) is worth


@given(st.lists(st.integers(1, 300 * MB), max_size=60), st.integers(MB, 300 * MB))
def test_every_merge_leaves_fewer_files_until_none_is_worth_it(sizes: list[int], target: int) -> None:
    while worth_merging(tuple(sizes), target):
        merged = merged_sizes(tuple(sizes), even_target(tuple(sizes), target))
        assert len(merged) < len(sizes)
        assert sum(merged) == sum(sizes)
        sizes = merged


@settings(max_examples=30)
@given(st.lists(st.integers(1, 10 * MB), min_size=100, max_size=200))
def test_a_large_day_leaves_no_small_rest(sizes: list[int]) -> None:
    merged = merged_sizes(tuple(sizes), even_target(tuple(sizes), 256 * MB))
    if sum(sizes) >= 256 * MB:
        assert all(64 * MB <= size <= 1024 * MB for size in merged)
    else:
        assert len(merged) <= 2


def test_corrections_do_not_rewrite_what_is_large_enough() -> None:
    sizes = (170 * MB, 180 * MB, 10 * MB, *[MB // 10] * 8)
    assert worth_merging(sizes, 256 * MB)
    assert even_target(sizes, 256 * MB) <= 170 * MB


def test_a_recent_day_is_left_alone_until_it_has_too_many_files() -> None:
    few, many = files(*[MB] * 4), files(*[MB] * 5)
    assert step_for(few, options(rollup_files=4), MARCH_2) is None
    assert step_for(many, options(rollup_files=4), MARCH_2) == Step(many, 32 * MB)
    assert step_for(many, options(rollup_files=0), MARCH_2) is None


def test_files_that_were_rolled_up_do_not_count_again() -> None:
    rolled = files(*[32 * MB] * 9, MB)
    assert step_for(rolled, options(rollup_files=4), MARCH_2) is None


def test_a_finished_day_is_merged_to_the_target() -> None:
    day = files(*[32 * MB] * 15, 30 * MB)
    after = MARCH_2 + 24 * HOUR_US
    assert step_for(day, options(), after - 1) is None
    assert step_for(day, options(), after) == Step(day, 255 * MB + 32 * MB + 1)
    assert step_for(day, options(compact_after_hours=48), after) is None


def test_tables_without_dates_are_merged_by_number() -> None:
    step = step_for(files(*[1] * 300, day=None), options(), MARCH_2)
    assert step is not None
    assert step.day is None


def test_the_layout_of_a_table_is_read_by_day(lake: Lake) -> None:
    fill(lake, 3)
    fill(lake, 2, day=next_day(), first=3)
    first, second = day_files("signals", lake.table("signals"))
    assert (first.day, len(first.sizes), first.rows) == (FIRST_DAY, 3, 3)
    assert (second.day, len(second.sizes), second.rows) == (next_day(), 2, 2)
    assert all(size > 0 for size in first.sizes)
    assert day_files("outcomes", lake.table("outcomes")) == []
