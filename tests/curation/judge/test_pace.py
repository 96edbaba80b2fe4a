"""Calls in flight: grow while the endpoint answers, halve when it does not, never beyond the limit."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.judge.pace import Pace


def test_it_starts_slowly_doubles_and_stops_at_the_most() -> None:
    pace = Pace(20)
    limits = [pace.limit]
    for _ in range(2):
        for _ in range(pace.limit):
            pace.answered()
        limits.append(pace.limit)
    assert limits == [4, 8, 16]
    for _ in range(50):
        pace.answered()
    assert pace.limit == 20


def test_one_overload_cuts_once_for_all_calls_that_began_before() -> None:
    pace = Pace(32, first=16)
    for _ in range(16):
        pace.overloaded(0)
    assert pace.limit == 8
    pace.overloaded(1)
    assert pace.limit == 4


def test_after_an_overload_it_grows_by_one_a_round() -> None:
    pace = Pace(32, first=8)
    pace.overloaded(0)
    for _ in range(4 + 5):
        pace.answered()
    assert pace.limit == 6


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 40))
def test_the_limit_stays_in_its_bounds(answers: list[bool], most: int) -> None:
    pace = Pace(most)
    for began, answered in enumerate(answers):
        pace.answered() if answered else pace.overloaded(began)
        assert 1 <= pace.limit <= most


def test_slots_hold_calls_back() -> None:
    pace = Pace(10, first=2)
    most = 0

    async def call(fails: bool) -> None:
        nonlocal most
        async with pace.slot() as slot:
            most = max(most, pace.in_flight)
            assert pace.in_flight <= max(pace.limit, 2)
            await asyncio.sleep(0)
            slot.overloaded = fails

    async def run() -> None:
        await asyncio.gather(*(call(n % 3 == 0) for n in range(60)))

    asyncio.run(run())
    assert pace.in_flight == 0
    assert 1 < most <= 10


def test_a_call_that_dies_gives_its_slot_back() -> None:
    pace = Pace(1)

    async def run() -> None:
        with pytest.raises(ZeroDivisionError):
            async with pace.slot():
                raise ZeroDivisionError
        async with pace.slot():
            assert pace.in_flight == 1

    asyncio.run(run())
