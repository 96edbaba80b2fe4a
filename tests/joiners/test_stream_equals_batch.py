"""The stream's windows give the same rows as one batch join, however messages are cut and disordered."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests import strategies
from tests.joiners.stream import Stream, everything_at_once
from tests.strategies import HORIZON, Traffic

FEW = settings(max_examples=25, deadline=None)


@FEW
@given(strategies.traffic(), strategies.batch_sizes(), st.booleans())
def test_every_request_settles_once_as_in_the_batch_join(
    traffic: Traffic, sizes: list[int], quiet: bool
) -> None:
    stream = Stream(traffic, sizes, topics_quiet=quiet)
    stream.finish()
    assert_frame_equal(stream.rows(), everything_at_once(traffic.places))
    assert sorted(stream.settled_ids()) == sorted({r["request_id"] for r in traffic.rows("requests")})
    assert len(stream.window) == 0


@FEW
@given(strategies.traffic(), strategies.batch_sizes(), st.integers(0, 12))
def test_nothing_is_held_beyond_its_own_horizon(traffic: Traffic, sizes: list[int], steps: int) -> None:
    stream = Stream(traffic, sizes)
    for _ in range(steps):
        stream.step()
    held = _held(stream)
    limits = stream.watermarks
    assert all(at + HORIZON > limits.get(partition, at) for partition, at in held)
    assert len(held) == stream.window.held()


def _held(stream: Stream) -> list[tuple[int, int]]:
    place = ("partition", pl.col("occurred_at").dt.epoch("us"))
    return [row for frames in stream.window.frames.values() for f in frames for row in f.select(place).rows()]


@FEW
@given(strategies.traffic(), strategies.batch_sizes(), st.integers(0, 12))
def test_no_open_request_lies_before_the_hold_back(traffic: Traffic, sizes: list[int], steps: int) -> None:
    stream = Stream(traffic, sizes)
    for _ in range(steps):
        stream.step()
    restart, settled = stream.restart_positions(), set(stream.settled_ids())
    read_again = {
        row["request_id"]
        for (kind, p), rows in traffic.places.items()
        if kind == "requests"
        for row in rows[restart[kind, p] :]
    }
    for (kind, p), rows in traffic.places.items():
        if kind == "requests":
            consumed = {row["request_id"] for row in rows[: stream.positions[kind, p]]}
            assert consumed - settled <= read_again
        assert restart[kind, p] <= stream.positions[kind, p]
