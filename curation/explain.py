"""Why a request has its score: the way from the prior to the score, and the events behind each step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import polars as pl

from contracts.errors import TerminalError
from sinks.lake import Lake

BEHIND: Final[Mapping[str, tuple[str, ...]]] = {
    **{k: (k,) for k in ("thumbs", "rating", "edit", "regenerate", "retry", "undo", "copy", "accept")},
    **{k: (k,) for k in ("dwell", "escalate", "report")},
    "edit_opposite": ("edit",),
    "abandoned": ("abandon",),
}
"""Evidence → the kinds of signals behind it."""

CALL: Final = ("error", "refusal", "truncated", "unfinished", "empty", "filtered")
"""Evidence that the request itself is."""

ASKED_AGAIN: Final = ("retry", "rephrase", "rephrase_chain")
"""Evidence that later requests of the session are."""

OBSERVABLE: Final[Mapping[str, str]] = {
    "has_thumbs": "thumbs",
    "has_rating": "rating",
    "has_edit": "edit",
    "has_regenerate": "regenerate",
    "has_retry": "retry",
    "has_rephrase": "a next prompt",
    "has_undo": "undo",
    "has_copy": "copy",
    "has_accept": "accept",
    "has_dwell": "reading time",
    "has_abandon": "abandonment",
    "has_escalate": "escalation",
    "has_report": "report",
    "has_outcome": "outcome",
    "has_output": "text of the response",
}
"""Presence flags of an interaction and what they are of."""


@dataclass(frozen=True, slots=True)
class Behind:
    """One event behind a step: what it was, seconds after the request, and its value in words."""

    kind: str
    after_s: float
    value: str
    event_id: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One contribution (log-odds), the probability after it, and what is behind it."""

    signal: str
    contribution: float
    probability: float
    events: list[Behind] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Revision:
    """One answer that was given for the request."""

    revision: int
    settled_at: datetime
    evidence_until: datetime
    failure_score: float
    score_version: str
    evidence: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a score came about. `prior` is the log-odds before any evidence."""

    request_id: str
    feature: str
    occurred_at: datetime
    prior: float
    steps: list[Step]
    failure_score: float
    disagreement: float | None
    failure_hint: str
    score_version: str
    unobserved: list[str]
    revisions: list[Revision]


def explain(lake: Lake, request_id: str) -> Explanation:
    """Explain the current score of a request. Raises `TerminalError` when it is no interaction yet."""
    mine = pl.col("request_id") == request_id
    current = lake.interactions().filter(mine).collect()
    if current.is_empty():
        raise _not_found(lake, request_id)
    revisions = lake.interactions(revisions=True).filter(mine).sort("revision").collect()
    row = current.row(0, named=True)
    days = pl.col("date").is_between(row["occurred_at"].date(), row["evidence_until"].date())
    signals = _events(lake, "signals", row["signal_ids"], days)
    outcomes = _events(lake, "outcomes", row["outcome_ids"], days)
    later = (
        lake.interactions()
        .filter(
            pl.col("session_id") == row["session_id"],
            pl.col("occurred_at").is_between(row["occurred_at"], row["evidence_until"]),
            pl.col("request_id") != request_id,
        )
        .select("request_id", "occurred_at", "rephrase_similarity", "rephrase_chain")
        .sort("occurred_at", "request_id")
        .collect()
    )
    return explanation(row, signals, outcomes, later, revisions)


def explanation(
    row: Mapping[str, Any],
    signals: pl.DataFrame,
    outcomes: pl.DataFrame,
    later: pl.DataFrame,
    revisions: pl.DataFrame,
) -> Explanation:
    """Put together what an interaction's `row` says with the events behind it. Pure.

    `signals` and `outcomes` are those it holds, `later` the requests of its session after it up to
    `evidence_until`, `revisions` all of its own.
    """
    parts = sorted(row["contributions"], key=lambda c: -abs(c["contribution"]))
    total = math.fsum(c["contribution"] for c in parts)
    prior = _logit(row["failure_score"]) - total
    logit, steps = prior, []
    for part in parts:
        logit += part["contribution"]
        name = part["signal"]
        behind = _behind(name, row, signals, outcomes, later)
        steps.append(Step(name, part["contribution"], _sigmoid(logit), behind))
    return Explanation(
        request_id=row["request_id"],
        feature=row["feature"],
        occurred_at=row["occurred_at"],
        prior=prior,
        steps=steps,
        failure_score=row["failure_score"],
        disagreement=row["disagreement"],
        failure_hint=row["failure_hint"],
        score_version=row["score_version"],
        unobserved=[name for flag, name in OBSERVABLE.items() if row[flag] is False],
        revisions=[
            Revision(
                revision=r["revision"],
                settled_at=r["settled_at"],
                evidence_until=r["evidence_until"],
                failure_score=r["failure_score"],
                score_version=r["score_version"],
                evidence=len(r["signal_ids"]) + len(r["outcome_ids"]),
            )
            for r in revisions.iter_rows(named=True)
        ],
    )


def _behind(
    name: str, row: Mapping[str, Any], signals: pl.DataFrame, outcomes: pl.DataFrame, later: pl.DataFrame
) -> list[Behind]:
    found = []
    if name in BEHIND:
        kinds = BEHIND[name]
        found += [
            Behind(s["kind"], _after(row, s), _signal_value(s, row), s["event_id"], s["text"])
            for s in signals.iter_rows(named=True)
            if s["kind"] in kinds
        ]
    if name == "outcome":
        found += [
            Behind(o["kind"], _after(row, o), _outcome_value(o, outcomes["supersedes"]), o["event_id"])
            for o in outcomes.iter_rows(named=True)
        ]
    if name in CALL:
        said = row["error_type"] or row["finish_reason"] or row["finish_class"]
        found.append(Behind("request", 0.0, f"{row['finish_class']} ({said})", row["request_id"]))
    if name in ASKED_AGAIN:
        found += list(_asked_again(row, later))
    return found


def _asked_again(row: Mapping[str, Any], later: pl.DataFrame) -> Iterable[Behind]:
    """The prompts that asked the same again: as many as the chain has, else the next one."""
    similarity = row["rephrase_similarity"]
    for request in later.head(max(row["rephrase_chain"] or 0, 1)).iter_rows(named=True):
        alike = "similarity unknown" if similarity is None else f"{similarity:.0%} like the prompt before"
        yield Behind("request", _after(row, request), alike, request["request_id"])
        similarity = request["rephrase_similarity"]


def _signal_value(signal: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    if signal["kind"] == "edit":
        if signal["text"] is None:
            return "edited, text not sent"
        what = f"{len(signal['text']):,} characters"
        if row["edit_class"] is not None:
            what += f", {row['edit_class']}, {row['edit_ratio']:.0%} changed"
        return what
    if signal["value"] is None:
        return ""
    return f"{signal['value']:,.0f} ms" if signal["kind"] == "dwell" else f"{signal['value']:g}"


def _outcome_value(outcome: Mapping[str, Any], replaced: pl.Series) -> str:
    word = {True: "success", False: "failure", None: "result unknown"}[outcome["success"]]
    return f"{word}, amended later" if outcome["event_id"] in set(replaced.drop_nulls()) else word


def _after(row: Mapping[str, Any], event: Mapping[str, Any]) -> float:
    seconds: float = (event["occurred_at"] - row["occurred_at"]).total_seconds()
    return seconds


def _events(lake: Lake, name: str, ids: list[str], days: pl.Expr) -> pl.DataFrame:
    """Events by id, in order of time; events far outside their days (wrong clocks) are looked for too."""
    wanted = pl.col("event_id").is_in(ids)
    found = getattr(lake, name)().filter(wanted, days).collect()
    if found.height < len(ids):
        found = getattr(lake, name)().filter(wanted).collect()
    ordered: pl.DataFrame = found.sort("occurred_at", "event_id")
    return ordered


def _not_found(lake: Lake, request_id: str) -> TerminalError:
    waiting = lake.scan("requests").filter(pl.col("request_id") == request_id).head(1).collect()
    if waiting.height:
        return TerminalError(
            f"request {request_id} is not settled yet",
            hint="Its window is still open; wait for it, or run `tailrace worker --drain`.",
        )
    return TerminalError(
        f"the lake holds no request {request_id}",
        hint="Ids are those your application sent as request_id; `tailrace status` says what has arrived.",
    )


def _logit(probability: float) -> float:
    p = min(max(probability, 1e-15), 1 - 1e-15)
    return math.log(p / (1 - p))


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
