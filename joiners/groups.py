"""Counting by position: aggregates of evidence as columns with one value per request."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Mask = npt.NDArray[np.bool_]
"""Which rows of the evidence are meant."""


class Groups:
    """Evidence by request: rows in order of time, `target` the position of the request.

    Everything is a column with one value per request. Counting by position is several times cheaper than
    grouping rows and joining the groups back.
    """

    def __init__(self, evidence: pl.DataFrame, requests: int) -> None:
        self._targets = evidence["target"].to_numpy()
        self._requests = requests

    def count(self, where: Mask) -> pl.Series:
        """How many rows fulfil a condition."""
        counts = np.bincount(self._targets[where], minlength=self._requests)
        return pl.Series(counts, dtype=pl.Int32)

    def sum(self, values: pl.Series, where: Mask) -> pl.Series:
        """Sum of the values that are there, null without any."""
        there = where & values.is_not_null().to_numpy()
        weights = values.cast(pl.Float64).fill_null(0.0).to_numpy()[there]
        totals = np.bincount(self._targets[there], weights=weights, minlength=self._requests)
        # Without any rows numpy counts in integers.
        sums = pl.Series(totals, dtype=pl.Float64)
        return sums.set(self.count(there) == 0, None)

    def mean(self, values: pl.Series, where: Mask) -> pl.Series:
        """Mean of the values that are there, null without any."""
        there = where & values.is_not_null().to_numpy()
        return self.sum(values, where) / self.count(there)

    def last(self, values: pl.Series, where: Mask) -> pl.Series:
        """The latest value, null without any."""
        latest = np.full(self._requests, -1, dtype=np.int64)
        rows = np.flatnonzero(where)
        latest[self._targets[rows]] = rows
        return values.gather(pl.Series(latest).replace(-1, None))

    def lists(self, values: pl.Series) -> pl.Series:
        """All values in order of time."""
        order = np.argsort(self._targets, kind="stable")
        ends = np.cumsum(np.bincount(self._targets, minlength=self._requests))
        offsets = np.concatenate([[0], ends]).astype(np.int64)
        items = values.gather(order).rechunk().to_arrow().cast(pa.large_string())
        made = pl.from_arrow(pa.LargeListArray.from_arrays(offsets, items))
        assert isinstance(made, pl.Series)
        return made

    def latest(self, values: pl.Series) -> pl.Series:
        """The value of the latest row, null without any."""
        return self.last(values, np.ones(self._targets.size, dtype=np.bool_))
