"""Features of an interaction, computed over whole columns. Null means not observed.

Explicit feedback (thumbs, rating) and implicit evidence stay in separate columns; each has a
presence flag `has_…`.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from joiners import text
from joiners.light import RESPONSE_CHARS

TRUNCATED_REASONS: Final = ["length", "max_tokens", "max_output_tokens", "model_length"]
FILTERED_REASONS: Final = ["content_filter", "safety", "blocklist", "prohibited_content"]

REFUSAL_PATTERN: Final = (
    r"(?i)^\W*(?:i['’]?m (?:really |very |so )?sorry\b.{0,40}\b(?:can['’]?t|cannot|unable|not able)"
    r"|(?:sorry|unfortunately|apologies)?\W*(?:but )?(?:i|we) "
    r"(?:can['’]?t|cannot|can not|am unable to|am not able to"
    r"|won['’]?t|will not|must decline to|have to decline)\b[^.]{0,60}"
    r"\b(?:help|assist|comply|do that|provide|answer|fulfil|fulfill|share|discuss|with that)"
    r"|as an ai\b.{0,60}\b(?:can['’]?t|cannot|unable|not able))"
)
"""Openings by which assistants decline; only the first 200 characters are looked at."""

SAME_PROMPT: Final = 0.98
"""Similarity from which the next prompt counts as a retry rather than a rephrase."""

POSITIVE_RATING: Final = 4.0


def finish_class() -> pl.Expr:
    """How the call ended: error, filtered, truncated, refusal or ok."""
    reason = pl.col("finish_reason").str.to_lowercase()
    refused = pl.col("response_text").str.slice(0, 200).str.contains(REFUSAL_PATTERN).fill_null(value=False)
    return (
        pl.when(pl.col("error_type").is_not_null() | (reason == "error").fill_null(value=False))
        .then(pl.lit("error"))
        .when(reason.is_in(FILTERED_REASONS).fill_null(value=False))
        .then(pl.lit("filtered"))
        .when(reason.is_in(TRUNCATED_REASONS).fill_null(value=False))
        .then(pl.lit("truncated"))
        .when((reason == "refusal").fill_null(value=False) | refused)
        .then(pl.lit("refusal"))
        .otherwise(pl.lit("ok"))
    )


def _count(kind: str) -> pl.Expr:
    return (pl.col("kind") == kind).sum().cast(pl.Int32)


def signal_features(signals: pl.DataFrame) -> pl.DataFrame:
    """One row per `target` with counts, means and the last edited text of its signals.

    `signals` must be sorted by time; `signal_ids` keeps that order.
    """
    thumbs = pl.col("value").filter(pl.col("kind") == "thumbs")
    rating = pl.col("value").filter(pl.col("kind") == "rating")
    dwell = pl.col("value").filter(pl.col("kind") == "dwell")
    edits = pl.col("text").filter((pl.col("kind") == "edit") & pl.col("text").is_not_null())
    return signals.group_by("target").agg(
        thumbs.mean().clip(-1.0, 1.0).alias("thumbs"),
        rating.mean().alias("rating"),
        dwell.sum().alias("dwell_sum"),
        dwell.count().alias("dwell_count"),
        edits.last().str.slice(0, RESPONSE_CHARS).alias("edit_text"),
        _count("edit").alias("edit_count"),
        _count("regenerate").alias("regenerate_count"),
        _count("retry").alias("retry_signals"),
        _count("undo").alias("undo_count"),
        _count("copy").alias("copy_count"),
        _count("accept").alias("accept_count"),
        _count("abandon").alias("abandon_count"),
        _count("escalate").alias("escalate_count"),
        _count("report").alias("report_count"),
        pl.col("event_id").alias("signal_ids"),
        pl.col("occurred_at").max().alias("signals_until"),
    )


def outcome_features(outcomes: pl.DataFrame) -> pl.DataFrame:
    """One row per `target` with the share of successful outcomes.

    Outcomes that another one of the same target amends are listed but do not count: what was
    attributed elsewhere the stream may not know yet when the request settles. `outcomes` must be
    sorted by time; `outcome_ids` keeps that order.
    """
    # Marked before grouping: a membership test inside `agg` would run once per group.
    amended = outcomes.select("target", event_id="supersedes").drop_nulls().unique()
    counted = outcomes.join(
        amended.with_columns(replaced=True), on=["target", "event_id"], how="left", maintain_order="left"
    ).with_columns(success=pl.when(pl.col("replaced").is_null()).then(pl.col("success")))
    valid = pl.col("success")
    return counted.group_by("target").agg(
        valid.mean().alias("outcome_success"),
        valid.count().cast(pl.Int32).alias("outcome_count"),
        pl.col("event_id").alias("outcome_ids"),
        pl.col("occurred_at").max().alias("outcomes_until"),
    )


def with_features(rows: pl.DataFrame) -> pl.DataFrame:
    """Final feature columns from a request frame joined with `signal_features`/`outcome_features`."""
    counts = [
        f"{name}_count"
        for name in (
            "edit",
            "regenerate",
            "undo",
            "copy",
            "accept",
            "abandon",
            "escalate",
            "report",
            "outcome",
        )
    ]
    rows = rows.with_columns(
        pl.col(*counts, "retry_signals").fill_null(0),
        pl.col("signal_ids", "outcome_ids").fill_null([]),
        edit_ratio=text.edit_ratio(rows["response_text"], rows["edit_text"]),
        rephrase_similarity=text.similarity(rows["prompt_text"], rows["next_prompt"]),
        dwell_ms=pl.when(pl.col("dwell_count") > 0).then(pl.col("dwell_sum")),
        finish_class=finish_class(),
    )
    same_again = (pl.col("rephrase_similarity") >= SAME_PROMPT).fill_null(value=False)
    # After a regeneration the application itself sends the same prompt again: not a user's retry.
    repeated = same_again & (pl.col("regenerate_count") == 0)
    rows = rows.with_columns(retry_count=(pl.col("retry_signals") + repeated.cast(pl.Int32)).cast(pl.Int32))
    last = pl.col("next_at").is_null()
    positive = (
        (pl.col("copy_count") + pl.col("accept_count") > 0)
        | (pl.col("thumbs") > 0).fill_null(value=False)
        | (pl.col("rating") >= POSITIVE_RATING).fill_null(value=False)
    )
    left = pl.col("abandon_count") > 0
    return rows.with_columns(
        has_thumbs=pl.col("thumbs").is_not_null(),
        has_rating=pl.col("rating").is_not_null(),
        has_edit=pl.col("edit_count") > 0,
        has_regenerate=pl.col("regenerate_count") > 0,
        has_retry=pl.col("retry_count") > 0,
        has_rephrase=pl.col("rephrase_similarity").is_not_null(),
        has_undo=pl.col("undo_count") > 0,
        has_copy=pl.col("copy_count") > 0,
        has_accept=pl.col("accept_count") > 0,
        has_dwell=pl.col("dwell_ms").is_not_null(),
        has_abandon=last | left,
        abandoned=pl.when(last | left).then(left | ~positive),
        has_escalate=pl.col("escalate_count") > 0,
        has_report=pl.col("report_count") > 0,
        has_outcome=pl.col("outcome_count") > 0,
    )
