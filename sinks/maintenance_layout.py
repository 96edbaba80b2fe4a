"""How the files of the lake lie, and which of them should be merged. Deciding is pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any, Final

import polars as pl
from deltalake import DeltaTable

from contracts.settings import LakeSettings
from contracts.tables import is_partitioned
from sinks.lake import Lake

MANY: Final = 8
"""Small files beside a large one that are worth merging."""

ROLLUP_DIVISOR: Final = 8
"""Files of a recent day are merged up to this part of the target size: what is merged again and again
while the day grows stays small, and so does the work of one step."""


@dataclass(frozen=True, slots=True)
class DayFiles:
    """Live files of one day of a table (`day` is None for tables without dates). Sizes in bytes."""

    table: str
    day: date | None
    sizes: tuple[int, ...]
    rows: int

    @property
    def bytes(self) -> int:
        """Size of the day."""
        return sum(self.sizes)

    def as_dict(self) -> dict[str, Any]:
        """For `tailrace lake layout --json`; sizes in MiB."""
        mebibytes = [size / (1 << 20) for size in self.sizes]
        return {
            "table": self.table,
            "date": self.day.isoformat() if self.day else None,
            "files": len(mebibytes),
            "median_mb": round(median(mebibytes), 3),
            "min_mb": round(min(mebibytes), 3),
            "max_mb": round(max(mebibytes), 3),
            "total_mb": round(sum(mebibytes), 3),
            "rows": self.rows,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One merge: the small files of a day of a table, into files of about `target_bytes`."""

    files: DayFiles
    target_bytes: int

    @property
    def table(self) -> str:
        """Name of the table."""
        return self.files.table

    @property
    def day(self) -> date | None:
        """Day to merge, None for the whole table."""
        return self.files.day


@dataclass(frozen=True, slots=True)
class LogSize:
    """The Delta log of a table: versions so far, files in `_delta_log` and their bytes."""

    table: str
    version: int
    files: int
    bytes: int


def day_files(name: str, table: DeltaTable) -> list[DayFiles]:
    """Live files of a table by day, oldest first."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    if actions.is_empty():
        return []
    day = pl.col("partition.date") if is_partitioned(name) else pl.lit(None, dtype=pl.Date)
    by_day = (
        actions.select(day=day, size="size_bytes", rows=pl.col("num_records").fill_null(0))
        .group_by("day")
        .agg("size", pl.col("rows").sum())
        .sort("day")
    )
    return [DayFiles(name, d, tuple(sizes), rows) for d, sizes, rows in by_day.iter_rows()]


def log_size(lake: Lake, name: str, table: DeltaTable) -> LogSize | None:
    """Size of a table's log; None for lakes that are not folders of this machine."""
    if (folder := lake.folder(name)) is None:
        return None
    sizes = [f.stat().st_size for f in (folder / "_delta_log").iterdir() if f.is_file()]
    return LogSize(name, int(table.version()), len(sizes), sum(sizes))


def is_over(day: date | None, now_us: int, after_us: int) -> bool:
    """Whether a UTC day ended at least `after_us` ago. `now_us` is the clock; both in microseconds."""
    if day is None:
        return False
    end = datetime.combine(day + timedelta(days=1), datetime.min.time())
    return (end - datetime(1970, 1, 1)) // timedelta(microseconds=1) + after_us <= now_us


def worth_merging(sizes: tuple[int, ...], target_bytes: int) -> bool:
    """Whether a finished day has small files enough to be rewritten.

    Files from half the target on are left alone. Of the others the largest is what is left over; the
    rest is worth a rewrite when it is many, or a quarter of what it would be merged with. So a day is
    not rewritten for every late correction, and never again once it is merged.
    """
    small = sorted(size for size in sizes if size < target_bytes // 2)
    if len(small) < 2:
        return False
    crumbs = small[:-1]
    return len(crumbs) >= MANY or sum(crumbs) * 4 >= small[-1]


def even_target(sizes: tuple[int, ...], target_bytes: int) -> int:
    """Size up to which the small files of a finished day are merged, so that no small rest remains.

    They are shared out evenly over as many files as come closest to the target. Larger files are left
    out of it, as long as fewer files come of it.
    """
    half = target_bytes // 2
    small = [size for size in sizes if size < half]
    if not small:
        return target_bytes
    pieces = max(1, round(sum(small) / target_bytes))
    # A file is full when the next one does not fit: room for one more keeps the pieces as few as meant.
    even = max(sum(small) // pieces + max(small) + 1, half)
    large = min((size for size in sizes if size >= half), default=even)
    for candidate in (min(even, large), even):
        if len(merged_sizes(sizes, candidate)) < len(sizes):
            return candidate
    return max(sizes) + max(small) + 1


def merged_sizes(sizes: tuple[int, ...], target_bytes: int) -> list[int]:
    """Sizes that a merge leaves, but for better compression: deltalake fills files in their order up to the
    target and leaves those of that size alone."""
    merged = [0]
    for size in (size for size in sizes if size < target_bytes):
        if merged[-1] + size > target_bytes:
            merged.append(0)
        merged[-1] += size
    return [size for size in sizes if size >= target_bytes] + [size for size in merged if size]


def step_for(files: DayFiles, options: LakeSettings, now_us: int) -> Step | None:
    """The merge a day needs now, if any.

    A finished day is merged to about the target size. A recent one is still being appended to; its files are
    only rolled up when there are `rollup_files` small ones, because every live file of a table makes
    every append to it slower.
    """
    target = options.target_file_bytes
    if is_over(files.day, now_us, options.compact_after_us):
        if not worth_merging(files.sizes, target):
            return None
        return Step(files, even_target(files.sizes, target))
    small = target // ROLLUP_DIVISOR
    crumbs = sum(1 for size in files.sizes if size < small)
    if options.rollup_files and crumbs > max(options.rollup_files, 1):
        return Step(files, small)
    return None
