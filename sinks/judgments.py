"""Verdicts in table `judgments`: looked up without reading it all, stored once per epoch and content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from deltalake import DeltaTable

from contracts.errors import PersonErased
from contracts.tables import frame_schema
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.lake_schema import in_contract
from sinks.transactions import append_absent

TABLE: Final = "judgments"

_RECENT: Final = 100_000
"""Prints kept in a set before they are merged into the sorted array."""

Prints = npt.NDArray[np.uint64]


class JudgmentIndex:
    """Which (epoch, content) pairs `judgments` may hold: eight bytes each, kept up to date from new files.

    Content hashes are random, so a filter on them reads every file of the table: too much for a
    judge that looks up a batch every few seconds. The index reads each file once. It may know pairs that are
    gone (erased), and once in 10^7 looks sees one that never was; so a hit is looked up in the table,
    and a miss is certain. For one thread at a time.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._files: set[str] = set()
        self._sorted: Prints = np.empty(0, dtype=np.uint64)
        self._recent: set[int] = set()

    def held(self, rows: pl.DataFrame, table: DeltaTable | None = None) -> pl.DataFrame:
        """All columns of the stored judgments with an (epoch, content_hash) of `rows`.

        `table` as loaded, the newest version without. Raises `LakeUnavailable`, `LakeDamaged`.
        """
        with translated(self._lake, TABLE):
            table = table or self._lake.table(TABLE)
            self._read_new(table)
            wanted = rows.select("epoch", "content_hash")
            maybe = wanted.filter(self._may_hold(wanted.select(_print()).to_series()))
            if maybe.is_empty():
                return pl.DataFrame(schema=frame_schema(TABLE))
            near = pl.col("content_hash").is_in(maybe["content_hash"].implode())
            keys = ["epoch", "content_hash"]
            return (
                in_contract(TABLE, pl.scan_delta(table))
                .filter(near)
                .join(maybe.lazy(), on=keys, how="semi")
                .collect()
            )

    def _read_new(self, table: DeltaTable) -> None:
        files = set(table.file_uris())
        new = sorted(files - self._files)
        if new:
            rows = pl.scan_parquet(
                new, storage_options=self._lake.options(TABLE) or None, hive_partitioning=False, glob=False
            )
            prints = rows.select(_print()).collect().to_series()
            self._add(prints)
        self._files = files

    def _add(self, prints: pl.Series) -> None:
        if len(self._recent) + len(prints) <= _RECENT:
            self._recent.update(prints)
            return
        recent = np.fromiter(self._recent, dtype=np.uint64, count=len(self._recent))
        self._sorted = np.unique(np.concatenate([self._sorted, recent, prints.to_numpy()]))
        self._recent = set()

    def _may_hold(self, prints: pl.Series) -> pl.Series:
        places = np.searchsorted(self._sorted, prints.to_numpy())
        found = np.zeros(len(prints), dtype=bool)
        inside = places < len(self._sorted)
        found[inside] = self._sorted[places[inside]] == prints.to_numpy()[inside]
        return pl.Series(found) | pl.Series([p in self._recent for p in prints], dtype=pl.Boolean)


def store_judgments(lake: Lake, rows: pl.DataFrame, *, index: JudgmentIndex | None = None) -> int:
    """Append judgments, skipping every (epoch, content) the table holds already; returns how many were new.

    `rows` has the table's columns. Two processes that judged the same content keep one verdict, the one
    stored first. Those on requests of people who were erased meanwhile are left out. Raises as
    `sinks.transactions.append_messages`.
    """
    index = index or JudgmentIndex(lake)
    keys = ["epoch", "content_hash"]
    once = rows.unique(keys, keep="first", maintain_order=True)

    def absent(table: DeltaTable, wanted: pl.DataFrame) -> pl.DataFrame:
        return wanted.join(index.held(wanted, table), on=keys, how="anti", maintain_order="left")

    def append(wanted: pl.DataFrame) -> int:
        return append_absent(lake, TABLE, wanted, fences=_fences(wanted["epoch"]), absent=absent)

    try:
        return append(once)
    except PersonErased:
        # Kept, they would be offered again for ever.
        return append(once.filter(~lake.tombstones.hits(TABLE, once)))


def _fences(epochs: Iterable[str]) -> list[str]:
    return [f"{TABLE}/{epoch}" for epoch in sorted(set(epochs))]


def _print() -> pl.Expr:
    return pl.concat_str("epoch", "content_hash", separator="/").hash(seed=0)
