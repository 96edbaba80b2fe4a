"""A worker that restarts from the hold-back ends with the rows of one that never stopped."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests import strategies
from tests.joiners.stream import Stream, everything_at_once
from tests.strategies import Traffic


@settings(max_examples=20, deadline=None)
@given(
    strategies.traffic(),
    strategies.batch_sizes(),
    strategies.batch_sizes(),
    st.lists(st.integers(0, 8), min_size=1, max_size=3),
)
def test_restarts_change_nothing(
    traffic: Traffic, sizes: list[int], other_sizes: list[int], lives: list[int]
) -> None:
    joined, settled, positions = [], [], {}
    for steps in lives:
        stream = Stream(traffic, sizes, positions=positions, settled=settled)
        for _ in range(steps):
            stream.step()
        joined += stream.joined
        settled += stream.settled_ids()
        positions = stream.restart_positions()
    last = Stream(traffic, other_sizes, positions=positions, settled=settled)
    last.finish()
    rows = pl.concat([everything_at_once({}), *joined, *last.joined]).sort("request_id")
    assert_frame_equal(rows, everything_at_once(traffic.places))
