"""Pure steps between the window and the lake."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from contracts.tables import frame_schema
from joiners.windows import window_closed


def interaction_rows(
    scored: pl.DataFrame, *, watermarks: Mapping[int, int], horizon_us: int, settled_at_us: int
) -> pl.DataFrame:
    """First revisions for the `interactions` table from joined and scored rows.

    `watermarks` are those before the rows arrived: a request whose window they had already closed is
    marked `late`. Its session may need settling again, and it may repeat a request that was settled
    and forgotten long ago. Times are UTC microseconds.
    """
    return scored.with_columns(
        revision=pl.lit(1, dtype=pl.Int32),
        late=late_rows(scored, watermarks, horizon_us),
        settled_at=pl.lit(settled_at_us, dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    ).select(list(frame_schema("interactions")))


def late_rows(rows: pl.DataFrame, watermarks: Mapping[int, int], horizon_us: int) -> pl.Series:
    """Which requests had their window closed by these watermarks already (boolean)."""
    if not watermarks:
        return pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
    return rows.with_columns(closed=window_closed(watermarks, horizon_us))["closed"]
