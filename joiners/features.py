"""Features of an interaction, computed over whole columns. Null means not observed.

Explicit feedback (thumbs, rating) and implicit evidence stay in separate columns; each has a
presence flag `has_…`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from joiners import edits, text
from joiners.finishes import finish_class
from joiners.groups import Groups, Mask
from joiners.light import RESPONSE_CHARS

SAME_PROMPT: Final = 0.98
"""Similarity from which the next prompt counts as a retry rather than a rephrase."""

POSITIVE_RATING: Final = 4.0


COUNTED: Final = (
    *("edit", "regenerate", "retry", "undo", "copy", "accept", "abandon", "escalate", "report"),
    *("thumbs", "rating", "dwell"),
)
"""Signals that are counted, in the order of their columns."""


def signal_features(signals: pl.DataFrame, requests: int) -> pl.DataFrame:
    """Counts, means and the last edited text of each request's signals, one row per request.

    `signals` are in order of time, with the position of their request (below `requests`) as `target`;
    `signal_ids` keeps the order.
    """
    groups = Groups(signals, requests)
    codes = (
        signals["kind"].cast(pl.Enum(COUNTED), strict=False).to_physical().fill_null(len(COUNTED)).to_numpy()
    )
    of = {kind: codes == n for n, kind in enumerate(COUNTED)}
    texts = of["edit"] & signals["text"].is_not_null().to_numpy()
    dwell = of["dwell"] & signals["value"].is_not_null().to_numpy()
    return pl.DataFrame(
        {
            "thumbs": groups.mean(signals["value"], of["thumbs"]).clip(-1.0, 1.0),
            "rating": groups.mean(signals["value"], of["rating"]),
            "dwell_ms": groups.sum(signals["value"], dwell),
            "edit_text": groups.last(signals["text"], texts).str.slice(0, RESPONSE_CHARS),
            "retry_signals": groups.count(of["retry"]),
            **{f"{kind}_count": groups.count(of[kind]) for kind in COUNTED[:9] if kind != "retry"},
            "signal_ids": groups.lists(signals["event_id"]),
            "signals_until": groups.latest(signals["occurred_at"]),
        }
    )


def outcome_features(outcomes: pl.DataFrame, requests: int) -> pl.DataFrame:
    """Share of successful outcomes of each request, one row per request; arguments as for signals.

    Outcomes that another one of the same request amends are listed but do not count: what was
    attributed elsewhere the stream may not know yet when the request settles.
    """
    groups = Groups(outcomes, requests)
    counts = outcomes["success"].is_not_null().to_numpy() & ~_replaced(outcomes)
    return pl.DataFrame(
        {
            "outcome_success": groups.mean(outcomes["success"], counts),
            "outcome_count": groups.count(counts),
            "outcome_ids": groups.lists(outcomes["event_id"]),
            "outcomes_until": groups.latest(outcomes["occurred_at"]),
        }
    )


def _replaced(outcomes: pl.DataFrame) -> Mask:
    amending = outcomes.select("target", event_id="supersedes").drop_nulls().unique()
    if amending.is_empty():
        return np.zeros(outcomes.height, dtype=np.bool_)
    found = outcomes.select("target", "event_id").join(
        amending.with_columns(replaced=True), on=["target", "event_id"], how="left", maintain_order="left"
    )
    return found["replaced"].fill_null(value=False).to_numpy()


def _with_edits(rows: pl.DataFrame) -> pl.DataFrame:
    """`edit_ratio` and `edit_class`; null where there is no edited text or nothing it was made from."""
    there = (rows["edit_text"].is_not_null() & rows["response_text"].is_not_null()).arg_true()
    before, after = rows["response_text"].gather(there), rows["edit_text"].gather(there)
    ratio = text.edit_ratio(before, after)
    return rows.with_columns(
        edit_ratio=pl.repeat(None, rows.height, dtype=pl.Float64, eager=True).scatter(there, ratio),
        edit_class=pl.repeat(None, rows.height, dtype=pl.String, eager=True).scatter(
            there, edits.classify(before, after, ratio)
        ),
    )


def with_features(rows: pl.DataFrame) -> pl.DataFrame:
    """Final feature columns from requests with `follow_up`, `signal_features` and `outcome_features`."""
    rows = _with_edits(rows).with_columns(
        finish_class=finish_class(),
        has_output=pl.col("ending").is_not_null(),
        unfinished=pl.col("ending") == "open",
    )
    same_again = (pl.col("rephrase_similarity") >= SAME_PROMPT).fill_null(value=False)
    # After a regeneration the application itself sends the same prompt again: not a user's retry.
    repeated = same_again & (pl.col("regenerate_count") == 0)
    rows = rows.with_columns(retry_count=(pl.col("retry_signals") + repeated.cast(pl.Int32)).cast(pl.Int32))
    last = pl.col("follow_up_count") == 0
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
