"""The join: requests with their signals and outcomes, one row per request.

The stream and the nightly `settle` call this same function, so they cannot disagree.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from joiners import features
from joiners.attribution import attribute, next_in_session
from joiners.light import REQUEST_COLUMNS, REQUEST_CONTEXT

FEATURE_COLUMNS: Final = (
    "finish_class",
    *("has_thumbs", "thumbs", "has_rating", "rating", "has_edit", "edit_ratio"),
    *("has_regenerate", "regenerate_count", "has_retry", "retry_count"),
    *("has_rephrase", "rephrase_similarity", "has_undo", "undo_count"),
    *("has_copy", "copy_count", "has_accept", "accept_count", "has_dwell", "dwell_ms"),
    *("has_abandon", "abandoned", "has_escalate", "escalate_count", "has_report", "report_count"),
    *("has_outcome", "outcome_success", "outcome_count"),
)

JOINED_COLUMNS: Final = (
    *REQUEST_CONTEXT,
    *FEATURE_COLUMNS,
    "signal_ids",
    "outcome_ids",
    "evidence_until",
)
"""What `join` returns, in order."""


def first_arrivals(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row per `key`: the one consumed first (lowest partition, then offset)."""
    return frame.sort("partition", "offset").unique(key, keep="first", maintain_order=True)


def join(
    requests: pl.DataFrame,
    signals: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    horizon_us: int,
    late_evidence: bool = False,
    context: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Join light frames (see `joiners.light`) into rows of `JOINED_COLUMNS`, one per request.

    Repeated ids count once. `context` holds further requests of the same sessions: they take part
    in attribution and as "next request" but get no row. A next request counts as a follow-up when it
    comes within `horizon_us`. Evidence counts when it lies in the window [t, t + `horizon_us`], which is
    what the stream knows for certain when a request settles; with `late_evidence` it counts whenever it
    came, which is what `settle` wants.
    """
    requests = first_arrivals(requests.select(REQUEST_COLUMNS), "request_id")
    known = requests
    if context is not None and not context.is_empty():
        known = first_arrivals(pl.concat([requests, context.select(REQUEST_COLUMNS)]), "request_id")
    rows = next_in_session(known).join(requests.select("request_id"), on="request_id", how="semi")
    beyond = pl.col("next_at") > pl.col("occurred_at") + pl.duration(microseconds=horizon_us)
    rows = rows.with_columns(pl.when(~beyond.fill_null(value=False)).then(pl.col("next_prompt", "next_at")))
    limit_us = None if late_evidence else horizon_us
    signals = _attributed(known, signals, limit_us)
    outcomes = _attributed(known, outcomes, limit_us)
    rows = rows.join(
        features.signal_features(signals), left_on="request_id", right_on="target", how="left"
    ).join(features.outcome_features(outcomes), left_on="request_id", right_on="target", how="left")
    return features.with_features(rows).select(
        *REQUEST_CONTEXT,
        *FEATURE_COLUMNS,
        "signal_ids",
        "outcome_ids",
        evidence_until=pl.max_horizontal("occurred_at", "signals_until", "outcomes_until"),
    )


def _attributed(known: pl.DataFrame, evidence: pl.DataFrame, limit_us: int | None) -> pl.DataFrame:
    """Evidence with its `target`, in time order, without repeats, orphans and what the window misses."""
    found = attribute(known, first_arrivals(evidence, "event_id")).filter(pl.col("target").is_not_null())
    if limit_us is not None:
        windows = known.select(
            target="request_id",
            opens="occurred_at",
            closes=pl.col("occurred_at") + pl.duration(microseconds=limit_us),
        )
        found = found.join(windows, on="target", how="left").filter(
            pl.col("occurred_at").is_between("opens", "closes")
        )
    return found.sort("occurred_at", "event_id")
