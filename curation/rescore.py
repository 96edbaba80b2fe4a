"""Rescoring: current interactions get the score in force, as new revisions; their evidence stays.

After a fit the lake holds scores of two versions, which nobody should compare. Every current interaction
scored by another version is scored again from the features it holds, and appended as revision n+1 with the
same `evidence_until`. Older revisions keep the score they had when a drop or an alert saw them
(`docs/decisions/11-score-versions.md`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from contracts.tables import frame_schema
from curation.scoring import ScoreModel, score
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.transactions import append_revisions

ROWS_PER_STEP: Final = 200_000
"""Interactions rescored at a time: bounds memory."""

_SCORED: Final = ("failure_score", "contributions", "disagreement", "failure_hint", "score_version")
_PLACE: Final = ("request_id", "revision", "partition", "offset")


def rescore(
    lake: Lake,
    *,
    now_us: int,
    model: ScoreModel,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Bring every current interaction to the score of `model`; returns how many revisions were written.

    Idempotent, and safe beside running workers and `settle`: where one of them appends the same revision
    first, its row stays and the next run rescores it. `now_us` is the clock, UTC microseconds. Raises as
    `settle` does.
    """
    with translated(lake, "interactions"):
        current = lake.interactions().select(*_PLACE, "date", "score_version").collect()
    stale = current.filter(pl.col("score_version") != model.version).sort("date", *_PLACE)
    written = 0
    for start in range(0, stale.height, ROWS_PER_STEP):
        with translated(lake, "interactions"):
            rows = _rows(lake, stale.slice(start, ROWS_PER_STEP))
        written += append_revisions(lake, rescored(rows, model, now_us))
        if progress:
            progress(min(start + ROWS_PER_STEP, stale.height), stale.height)
    return written


def rescored(rows: pl.DataFrame, model: ScoreModel, now_us: int) -> pl.DataFrame:
    """The next revision of each interaction: the same evidence under another score. Pure."""
    fresh = score(rows.drop(_SCORED), model)
    return fresh.with_columns(
        revision=pl.col("revision") + 1,
        settled_at=pl.lit(now_us, dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    ).select(list(frame_schema("interactions")))


def _rows(lake: Lake, places: pl.DataFrame) -> pl.DataFrame:
    found = lake.scan("interactions").filter(
        pl.col("date").is_in(places["date"].unique().implode()),
        pl.col("request_id").is_in(places["request_id"].implode()),
    )
    return (
        found.join(places.lazy().select(_PLACE), on=list(_PLACE), how="semi")
        .unique(["request_id"], keep="first")
        .collect()
    )
