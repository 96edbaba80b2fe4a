"""Which refused rows go to people, and which of them first. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import polars as pl

from contracts.tables import frame_schema
from curation.judge.trust import BELOW_THRESHOLD, DRIFTED, UNCALIBRATED
from curation.judge.verdicts import UnjudgedReason
from curation.texts.hashing import content_hash

UNJUDGED: Final = "unjudged_"

_OF_THE_CONTENT: Final = (
    UnjudgedReason.INVALID_ANSWER,
    UnjudgedReason.REFUSAL,
    UnjudgedReason.CONTENT_FILTER,
    UnjudgedReason.TOO_LONG,
    UnjudgedReason.REJECTED,
)
"""Why there is no verdict and asking again would not help: it lies in the item, not in budget or endpoint."""

URGENCY: Final = {
    "panel_split": 0.9,
    "judge_disagrees": 0.8,
    "judge_unsure": 0.7,
    "judge_same_family": 0.6,
    **{f"{UNJUDGED}{reason}": 0.6 for reason in _OF_THE_CONTENT},
    BELOW_THRESHOLD: 0.5,
    DRIFTED: 0.5,
    UNCALIBRATED: 0.4,
}
"""Reasons that need a person → priority: first where judge and evidence, or judges, contradict each other, so
that a label tells most; last what a calibrated judge would settle without people. A tenth more by the row's
failure score."""

ROUTED_SCHEMA: Final = pl.Schema(
    {
        "request_id": pl.String(),
        "user_key": pl.String(),
        "feature": pl.String(),
        "failure_score": pl.Float64(),
        "reason": pl.String(),
        "epoch": pl.String(),
        "verdict": pl.String(),
    }
)
"""What `tasks` are made of; `verdict` is the judge's."""


def routed(refused: pl.DataFrame) -> pl.DataFrame:
    """Rows for people (`ROUTED_SCHEMA`) from refused rows as `deciding.decided` gives them."""
    return refused.filter(pl.col("reason").is_in(list(URGENCY))).select(
        "request_id",
        "user_key",
        "feature",
        "failure_score",
        "reason",
        epoch=pl.col("judge_epoch"),
        verdict=pl.col("judged"),
    )


def task_rows(routed: pl.DataFrame, *, now_us: int, drop_id: str | None = None) -> pl.DataFrame:
    """Rows of `annotation_tasks`. `now_us` is the clock, UTC microseconds."""
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    ids = [
        content_hash([request, reason, epoch])[:20]
        for request, reason, epoch in routed.select("request_id", "reason", "epoch").iter_rows()
    ]
    urgency = pl.col("reason").replace_strict(URGENCY, default=0.0, return_dtype=pl.Float64())
    return routed.select(
        "request_id",
        "user_key",
        "reason",
        "epoch",
        "feature",
        "failure_score",
        "verdict",
        task_id=pl.Series(ids, dtype=pl.String),
        priority=(urgency + 0.1 * pl.col("failure_score")).round(4).clip(0.0, 1.0),
        drop_id=pl.lit(drop_id, dtype=pl.String),
        created_at=pl.lit(now).dt.cast_time_unit("us"),
        date=pl.lit(now.date()),
    ).select(list(frame_schema("annotation_tasks")))
