"""Rows of a window in segments: what came together is held together, with bounds of its times and offsets.

Rows that come together lie near each other in event time. So a watermark that moves on crosses few segments;
all others are left alone, however many rows they hold. Rows are found by key through a sieve of hashes, for
the same reason: what a batch asks for is small beside what is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

Rows = npt.NDArray[np.intp]
"""Positions of rows in their segment."""

_Hashes = npt.NDArray[np.uint32]

SMALL: Final = 8_192
"""Segments with fewer rows are joined with the next one: a quiet stream brings a few rows at a time."""

_SPARSE: Final = 64
"""Places of a sieve per key in it: one row in so many passes by chance."""


def _hashes(values: pl.Series) -> _Hashes:
    """32 bits of each value's hash: enough for a sieve, and small beside a row."""
    return values.hash().to_numpy().astype(np.uint32)


class Sieve:
    """Which rows may hold one of some keys: all that do, and a few that do not."""

    def __init__(self, keys: pl.Series) -> None:
        places = 1 << max(keys.len() * _SPARSE, 1).bit_length()
        self._mask = np.uint32(min(places, 1 << 32) - 1)
        self._held = np.zeros(int(self._mask) + 1, dtype=np.bool_)
        self._held[_hashes(keys) & self._mask] = True

    def passing(self, hashes: _Hashes) -> npt.NDArray[np.bool_]:
        """Which hashes are those of a key, or look like it."""
        passing: npt.NDArray[np.bool_] = self._held[hashes & self._mask]
        return passing


class Segment:
    """Rows, and what a window needs to know to leave them alone."""

    def __init__(self, rows: pl.DataFrame, keys: Sequence[str]) -> None:
        """`rows` (at least one) have `partition`, `offset`, `occurred_at` and the columns `keys`."""
        self.rows = rows
        self._hashes = {key: _hashes(rows[key]) for key in keys}
        bounds = rows.group_by("partition").agg(
            pl.col("offset").min(),
            earliest=pl.col("occurred_at").min().dt.epoch("us"),
            latest=pl.col("occurred_at").max().dt.epoch("us"),
        )
        self._bounds: dict[int, tuple[int, int, int]] = {p: tuple(rest) for p, *rest in bounds.iter_rows()}

    @property
    def lowest(self) -> Mapping[int, int]:
        """Lowest offset per partition."""
        return {partition: offset for partition, (offset, _, _) in self._bounds.items()}

    def touched(self, limits: Mapping[int, int]) -> bool:
        """Whether any row may lie at or before the limit of its partition (UTC microseconds)."""
        return any(p in limits and earliest <= limits[p] for p, (_, earliest, _) in self._bounds.items())

    def covered(self, limits: Mapping[int, int]) -> bool:
        """Whether every row lies at or before the limit of its partition (UTC microseconds)."""
        return all(p in limits and latest <= limits[p] for p, (_, _, latest) in self._bounds.items())

    def matching(self, sieves: Mapping[str, Sieve]) -> Rows:
        """Rows in which any of the keys passes its sieve."""
        found: Any = np.zeros(self.rows.height, dtype=np.bool_)
        for key, sieve in sieves.items():
            found |= sieve.passing(self._hashes[key])
        return np.flatnonzero(found)


class Segments:
    """All rows of one kind, in order of arrival."""

    def __init__(self, empty: pl.DataFrame, keys: Sequence[str]) -> None:
        """`empty`: a frame without rows; `keys`: columns by which rows will be looked for."""
        self._empty = empty
        self._keys = tuple(keys)
        self._held: list[Segment] = []
        self.height = 0

    @property
    def frames(self) -> list[pl.DataFrame]:
        """The rows held."""
        return [segment.rows for segment in self._held]

    def add(self, rows: pl.DataFrame) -> None:
        """Hold rows."""
        if rows.is_empty():
            return
        self.height += rows.height
        rows = rows.select(self._empty.columns)
        # Whoever looks from another thread sees the rows before or after this call, never neither.
        if self._held and self._held[-1].rows.height < SMALL:
            rows = pl.concat([self._held[-1].rows, rows])
            self._held[-1] = Segment(rows.rechunk(), self._keys)
        else:
            self._held.append(Segment(rows.rechunk(), self._keys))

    def find(self, keys: Mapping[str, pl.Series]) -> pl.DataFrame:
        """Rows of which any of these columns holds one of its keys. Any thread may look."""
        sieves = {name: Sieve(values) for name, values in keys.items()}
        parts = [s.rows[rows] for s in self._held if (rows := s.matching(sieves)).size]
        holds = [pl.col(name).is_in(values.implode()).fill_null(value=False) for name, values in keys.items()]
        return pl.concat(parts or [self._empty]).filter(pl.any_horizontal(holds))

    def touched(self, limits: Mapping[int, int]) -> Iterable[Segment]:
        """Segments with rows that may lie at or before the limit of their partition."""
        return (segment for segment in self._held if segment.touched(limits))

    def drop(self, limits: Mapping[int, int], passed: pl.Expr) -> int:
        """Drop rows that `passed` names, all of which lie at or before the limits; returns how many."""
        kept: list[Segment] = []
        for segment in self._held:
            if segment.covered(limits):
                continue
            if segment.touched(limits):
                rows = segment.rows.filter(~passed)
                segment = Segment(rows, self._keys) if rows.height < segment.rows.height else segment
            kept.append(segment)
        return self._replace(kept)

    def keep(self, wanted: pl.Expr) -> None:
        """Drop all other rows."""
        rests = (segment.rows.filter(wanted) for segment in self._held)
        self._replace([Segment(rows, self._keys) for rows in rests if not rows.is_empty()])

    def lowest(self) -> dict[int, int]:
        """Lowest offset held per partition."""
        result: dict[int, int] = {}
        for segment in self._held:
            for partition, offset in segment.lowest.items():
                result[partition] = min(offset, result.get(partition, offset))
        return result

    def _replace(self, segments: list[Segment]) -> int:
        before, self._held = self.height, segments
        self.height = sum(segment.rows.height for segment in segments)
        return before - self.height
