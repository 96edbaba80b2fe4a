"""Segments hold, find and drop exactly the rows that one frame would."""

from __future__ import annotations

from unittest.mock import patch

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from joiners import segments
from joiners.segments import Segments

SCHEMA = {
    "event_id": pl.String(),
    "session_id": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
    "occurred_at": pl.Datetime("us", "UTC"),
}
ids = st.sampled_from([*"abcdef", None])
rows = st.lists(st.tuples(ids, ids, st.integers(0, 2), st.integers(0, 50), st.integers(0, 9)), max_size=12)
limits = st.dictionaries(st.integers(0, 2), st.integers(-1, 9))


def frame_of(given_rows: list[tuple[str | None, str | None, int, int, int]]) -> pl.DataFrame:
    frame = pl.DataFrame(given_rows, schema={**SCHEMA, "occurred_at": pl.Int64()}, orient="row")
    return frame.cast({"occurred_at": pl.Datetime("us")}).with_columns(
        pl.col("occurred_at").dt.replace_time_zone("UTC")
    )


def passed(limit: dict[int, int]) -> pl.Expr:
    each = [
        (pl.col("partition") == p) & (pl.col("occurred_at").dt.epoch("us") <= us) for p, us in limit.items()
    ]
    return pl.any_horizontal(pl.lit(value=False), *each)


@given(
    st.lists(rows, max_size=5),
    st.lists(st.sampled_from("abcdxyz"), max_size=3),
    st.lists(limits, max_size=3),
    st.sampled_from([1, 8, 100]),
)
def test_segments_are_one_frame_to_whoever_asks(
    batches: list[list[tuple[str | None, str | None, int, int, int]]],
    wanted: list[str],
    steps: list[dict[int, int]],
    small: int,
) -> None:
    held = Segments(pl.DataFrame(schema=SCHEMA), ("event_id", "session_id"))
    with patch.object(segments, "SMALL", small):
        for batch in batches:
            held.add(frame_of(batch))
    frame = frame_of([row for batch in batches for row in batch])
    keys = pl.Series("keys", wanted, dtype=pl.String())
    for limit in [{}, *steps]:
        gone = frame.filter(passed(limit))
        assert held.drop(limit, passed(limit)) == gone.height
        frame = frame.filter(~passed(limit))
        assert held.height == frame.height == sum(part.height for part in held.frames)
        assert held.lowest() == dict(frame.group_by("partition").agg(pl.col("offset").min()).iter_rows())
        by_either = frame.filter(pl.col("event_id").is_in(wanted) | pl.col("session_id").is_in(wanted))
        assert held.find({"event_id": keys, "session_id": keys}).equals(by_either)
        assert held.find({"session_id": keys}).equals(frame.filter(pl.col("session_id").is_in(wanted)))
    held.keep(pl.col("partition") == 1)
    assert [row for part in held.frames for row in part.rows()] == frame.filter(partition=1).rows()
