"""The order of requests in their sessions: what came next, how much came within the horizon, and how often
the same was asked again."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from joiners import text
from joiners.attribution import NOWHERE, Positions

REPHRASED: Final = 0.8
"""Similarity from which a prompt asks the same as the one before it."""


class Sessions:
    """Requests by session, in order of time, then of request id.

    A request is named by its position in the frame, its `place` is its position in that order.
    """

    def __init__(self, requests: pl.DataFrame, *, horizon_us: int, apart: bool = False) -> None:
        """Needs `session_id, occurred_at, request_id`, and `partition` when `apart`: then a session's
        requests in different partitions are different sessions. `horizon_us` microseconds."""
        by = ["session_id", "partition"] if apart else ["session_id"]
        keys = requests.select(*by, "occurred_at", "request_id").with_row_index("row")
        ordered = keys.sort(*by, "occurred_at", "request_id").select(
            pl.col("row").cast(pl.Int64),
            pl.col("occurred_at").to_physical(),
            first=~pl.all_horizontal(pl.col(key).eq_missing(pl.col(key).shift(1)) for key in by),
        )
        self.order: Positions = ordered["row"].to_numpy()
        """Positions by place."""
        self.place: Positions = np.empty(requests.height, dtype=np.int64)
        """Places by position."""
        self.place[self.order] = np.arange(requests.height)
        first = ordered["first"].to_numpy().copy()
        first[:1] = True
        self.reach: Positions = _reach(ordered["occurred_at"].to_numpy(), first, horizon_us)
        """By place: the furthest place of the session within the horizon, its own where nothing follows."""

    def followers(self) -> Positions:
        """How many requests of the session come within the horizon after each request, by position."""
        return self.reach[self.place] - self.place

    def next_in_time(self) -> Positions:
        """Position of the next request within the horizon, by position; `NOWHERE` without one."""
        return self._at(self.place + 1)

    def last_in_time(self) -> Positions:
        """Position of the last request within the horizon, by position; `NOWHERE` without one."""
        return self._at(self.reach[self.place])

    def _at(self, places: Positions) -> Positions:
        followed = self.reach[self.place] > self.place
        return np.where(followed, self.order[np.where(followed, places, 0)], NOWHERE)

    def all_followers(self, positions: Positions) -> Positions:
        """Every request within the horizon after some requests, each once, as positions."""
        places = self.place[positions]
        return self.order[np.flatnonzero(self._between(places + 1, self.reach[places] + 1))]

    def asked_again(self, prompts: pl.Series, similarity: pl.Series) -> pl.Series:
        """How many prompts in a row ask the same again, for the first requests of the frame.

        `prompts` by position; `similarity` of the first requests to the next one in time, null where
        unknown: there the result is null too. A request counts the prompts after it, within the horizon, up
        to the first that is not `REPHRASED` from the one before it.
        """
        places = self.place[: similarity.len()]
        # Whether the next place asks the same again; only where that was looked at.
        again = np.zeros(self.order.size, dtype=np.bool_)
        again[places] = (similarity >= REPHRASED).fill_null(value=False).to_numpy()
        begun = places[again[places]]
        if begun.size:
            wanted = self._between(begun + 1, self.reach[begun])
            wanted[places] = False
            at = np.flatnonzero(wanted)
            if at.size:
                alike = text.similarity(prompts.gather(self.order[at]), prompts.gather(self.order[at + 1]))
                again[at] = (alike >= REPHRASED).fill_null(value=False).to_numpy()
        everywhere = np.arange(self.order.size)
        ends = np.minimum.accumulate(np.where(again, self.order.size, everywhere)[::-1])[::-1]
        runs = np.minimum(ends[places], self.reach[places]) - places
        return pl.Series(runs, dtype=pl.Int32).set(similarity.is_null(), None)

    def _between(self, starts: Positions, ends: Positions) -> npt.NDArray[np.bool_]:
        """Which places lie in any of the half-open stretches."""
        depth = np.zeros(self.order.size + 1, dtype=np.int64)
        np.add.at(depth, starts, 1)
        np.add.at(depth, np.maximum(ends, starts), -1)
        covered: npt.NDArray[np.bool_] = np.cumsum(depth[:-1]) > 0
        return covered


def _reach(times: Positions, first: npt.NDArray[np.bool_], horizon_us: int) -> Positions:
    """Furthest place within the horizon. `first`: where sessions begin; `times` in microseconds."""
    if not times.size:
        return np.empty(0, dtype=np.int64)
    begins = np.flatnonzero(first)
    ends = np.append(begins[1:], times.size) - 1
    # One time line on which sessions lie one after the other, further apart than the horizon.
    spans = times[ends] - times[begins] + horizon_us + 1
    shifts = np.concatenate([[0], np.cumsum(spans)[:-1]]) - times[begins]
    line = times + np.repeat(shifts, ends - begins + 1)
    found: Positions = np.searchsorted(line, line + horizon_us, side="right") - 1
    return found
