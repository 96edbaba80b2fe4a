"""The join: requests with their signals and outcomes, one row per request.

The stream and the nightly `settle` call this same function, so they cannot disagree.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from joiners import features, text
from joiners.attribution import NOWHERE, attribute_always, attribute_in_windows
from joiners.light import REQUEST_COLUMNS, REQUEST_CONTEXT
from joiners.sessions import Sessions

FEATURE_COLUMNS: Final = (
    *("finish_class", "has_output", "unfinished"),
    *("has_thumbs", "thumbs", "has_rating", "rating", "has_edit", "edit_ratio", "edit_class"),
    *("has_regenerate", "regenerate_count", "has_retry", "retry_count"),
    *("follow_up_count", "has_rephrase", "rephrase_similarity", "rephrase_chain", "has_undo", "undo_count"),
    *("has_copy", "copy_count", "has_accept", "accept_count", "has_dwell", "dwell_ms"),
    *("has_abandon", "abandoned", "has_escalate", "escalate_count", "has_report", "report_count"),
    *("has_outcome", "outcome_success", "outcome_count"),
)

JOINED_COLUMNS: Final = (
    *REQUEST_CONTEXT,
    *FEATURE_COLUMNS,
    "next_request_id",
    "signal_ids",
    "outcome_ids",
    "evidence_until",
)
"""What `join` returns, in order."""


def first_arrivals(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row per `key`: the one consumed first (lowest partition, then offset). Order is not kept."""
    if frame[key].n_unique() == frame.height:
        return frame
    order = frame.select("partition", "offset", key).with_row_index("row").sort("partition", "offset")
    return frame[order.unique(key, keep="first")["row"]]


def join(
    requests: pl.DataFrame,
    signals: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    horizon_us: int,
    late_evidence: bool = False,
    context: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Join light frames (see `joiners.light`) into rows of `JOINED_COLUMNS`, one per request, in any order.

    Repeated ids count once. `context` holds further requests of the same sessions: they take part
    in attribution and, when they come within `horizon_us`, as follow-ups, but get no row. Evidence counts
    when it lies in the window [t, t + `horizon_us`] and in the request's partition, which is what the stream
    knows for certain when a request settles
    (`attribution.attribute_in_windows`); with `late_evidence` it counts whenever and wherever it came
    (`attribution.attribute`), which is what `settle` wants.
    """
    requests = first_arrivals(requests.select(REQUEST_COLUMNS), "request_id")
    known = requests
    if context is not None and not context.is_empty():
        further = first_arrivals(context.select(REQUEST_COLUMNS), "request_id")
        known = pl.concat([requests, further.join(requests, on="request_id", how="anti")])
    rows = follow_up(requests, known, horizon_us, apart=not late_evidence)

    def mine(evidence: pl.DataFrame) -> pl.DataFrame:
        events = first_arrivals(evidence, "event_id")
        if late_evidence:
            pairs = attribute_always(known, events)
        else:
            pairs = attribute_in_windows(known, events, horizon_us)
        pairs = pairs.filter(pl.col("target") < requests.height)
        return events[pairs["row"]].with_columns(pairs["target"])

    return joined_rows(rows, mine(signals), mine(outcomes))


def follow_up(
    requests: pl.DataFrame, known: pl.DataFrame, horizon_us: int, *, apart: bool = False
) -> pl.DataFrame:
    """Requests with what their sessions asked within the horizon: `next_request_id`, `followed_until`,
    `follow_up_count`, `rephrase_similarity`, `rephrase_chain`.

    `requests` are the first rows of `known`, or `known` itself; `known` needs every request within the
    horizon after them. `apart`: a session's requests in different partitions are different sessions.
    """
    sessions = Sessions(known, horizon_us=horizon_us, apart=apart)
    after, last = (
        pl.Series(positions[: requests.height]).replace(NOWHERE, None)
        for positions in (sessions.next_in_time(), sessions.last_in_time())
    )
    similarity = text.similarity(requests["prompt_text"], known["prompt_text"].gather(after))
    return requests.with_columns(
        next_request_id=known["request_id"].gather(after),
        followed_until=known["occurred_at"].gather(last),
        follow_up_count=pl.Series(sessions.followers()[: requests.height], dtype=pl.Int32),
        rephrase_similarity=similarity,
        rephrase_chain=sessions.asked_again(known["prompt_text"], similarity),
    )


def joined_rows(requests: pl.DataFrame, signals: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Rows of `JOINED_COLUMNS` from light requests with their `follow_up` and evidence with its target.

    `target` of evidence is the position of its request in `requests`.
    """
    rows = pl.concat(
        [
            requests,
            features.signal_features(_in_time(signals), requests.height),
            features.outcome_features(_in_time(outcomes), requests.height),
        ],
        how="horizontal",
    )
    return features.with_features(rows).select(
        *REQUEST_CONTEXT,
        *FEATURE_COLUMNS,
        "next_request_id",
        "signal_ids",
        "outcome_ids",
        evidence_until=pl.max_horizontal("occurred_at", "followed_until", "signals_until", "outcomes_until"),
    )


def _in_time(evidence: pl.DataFrame) -> pl.DataFrame:
    """Evidence in order of time, then of id."""
    keys = evidence.select("occurred_at", "event_id").with_row_index("row")
    return evidence[keys.sort("occurred_at", "event_id")["row"]]
