"""Time bins: as fine as the data can bear."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl


@dataclass(frozen=True)
class Step:
    """A bin width with its name and the d3 format of its axis labels."""

    name: str
    every: str
    width: timedelta
    axis_format: str


STEPS: Final[tuple[Step, ...]] = (
    Step("15 min", "15m", timedelta(minutes=15), "%H:%M"),
    Step("hour", "1h", timedelta(hours=1), "%H:%M"),
    Step("6 h", "6h", timedelta(hours=6), "%d %b"),
    Step("12 h", "12h", timedelta(hours=12), "%d %b"),
    Step("day", "1d", timedelta(days=1), "%d %b"),
    Step("week", "1w", timedelta(weeks=1), "%d %b"),
    Step("30 days", "30d", timedelta(days=30), "%b %Y"),
)
MAX_BINS: Final = 48
MIN_BINS: Final = 5
ROWS_PER_CELL: Final = 40


def choose(rows: pl.DataFrame) -> Step:
    """The finest step with at most `MAX_BINS` bins and enough requests per point to see something.

    Thin traffic makes steps coarser as long as `MIN_BINS` bins remain: fewer would hide a change.
    """
    first, last = _span(rows)
    fitting = [s for s in STEPS if (last - first) / s.width <= MAX_BINS] or [STEPS[-1]]
    best = fitting[0]
    for step in fitting:
        if step is not best and (last - first) / step.width < MIN_BINS - 1:
            break
        best = step
        cells = rows.group_by("feature", "version", pl.col("occurred_at").dt.truncate(step.every)).len()
        if float(cells["len"].cast(pl.Float64).median() or 0.0) >= ROWS_PER_CELL:  # type: ignore[arg-type]
            break
    return best


def _span(rows: pl.DataFrame) -> tuple[datetime, datetime]:
    first, last = rows["occurred_at"].min(), rows["occurred_at"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return epoch, epoch
    return first, last


def cells(rows: pl.DataFrame, step: Step) -> pl.DataFrame:
    """Failures and requests per feature, version and bin: columns `feature, version, bin, f, n`."""
    return (
        rows.group_by("feature", "version", pl.col("occurred_at").dt.truncate(step.every).alias("bin"))
        .agg(pl.col("failed").sum().cast(pl.Int64).alias("f"), pl.len().cast(pl.Int64).alias("n"))
        .sort("feature", "version", "bin")
    )
