"""Why a request is, or is not, in a drop: its way through the steps of the build, read from the lake."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import polars as pl

from contracts.errors import TerminalError
from sinks.lake import Lake

Status = Literal["in_drop", "refused", "unused", "unknown_then", "pending"]
"""in_drop: rows were made of it. refused: by a gate. unused: confirmed, but no row needed it. unknown_then:
it came after the drop's as-of time. pending: it still waits in a window of the stream."""

Outcome = Literal["passed", "refused", "not_reached"]


@dataclass(frozen=True, slots=True)
class StepFate:
    """What one step of the build did with the request, or with a row made of it.

    `kind`: interaction, preference or unpaired. `detail` and `evidence` hold no user text.
    """

    step: str
    kind: str
    outcome: Outcome
    reason: str = ""
    detail: str = ""
    evidence: str = ""
    quarantine_id: str = ""


@dataclass(frozen=True)
class Fate:
    """A request's way through one drop.

    rows: the drop's rows made of it (columns of `examples`). interaction: the revision the drop saw, None
    when there was none. verdict: what the judge said (columns of `judgments`, without texts).
    """

    request_id: str
    drop_id: str
    as_of: datetime
    status: Status
    steps: list[StepFate] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    interaction: dict[str, Any] | None = None
    verdict: dict[str, Any] | None = None


_SHOWN: Final = (
    *("example_id", "kind", "pair_source", "slice", "request_ids", "failure_score"),
    *("inclusion_probability", "novelty", "cluster_id", "cluster_size", "self_approved", "label"),
    *("judge_preference", "judge_family_match"),
    *("verdict_source", "judge_epoch", "guideline_version"),
)


def fate(
    lake: Lake,
    request_id: str,
    drop: Mapping[str, Any],
    steps: Sequence[str],
    epochs: Collection[str] = (),
) -> Fate:
    """Follow a request through a drop. `drop` is its registry row, `steps` the names of its funnel in order.

    `epochs`: those its verdict may be of (`judge.bench.verdict_epochs`), besides the registry row's. Raises
    `TerminalError` when the lake does not know the request.
    """
    about = {"request_id": request_id, "drop_id": str(drop["drop_id"]), "as_of": drop["as_of"]}
    known = lake.scan("requests").filter(pl.col("request_id") == request_id).select("occurred_at").collect()
    if known.is_empty():
        raise TerminalError(
            f"there is no request {request_id} in the lake",
            hint="Check the id; `tailrace dead-letters list` shows events that could not be used.",
        )

    def mine(name: str) -> pl.DataFrame:
        of_drop = lake.scan(name).filter(pl.col("drop_id") == drop["drop_id"])
        return of_drop.filter(pl.col("request_ids").list.contains(request_id)).collect()

    seen = _one(lake.interactions(as_of=drop["as_of"]).filter(pl.col("request_id") == request_id))
    if seen is None:
        settled = _one(lake.interactions().filter(pl.col("request_id") == request_id))
        return Fate(**about, status="unknown_then" if settled else "pending", interaction=settled)
    refused = [_refusal(row) for row in mine("quarantine").sort("stage", "kind").iter_rows(named=True)]
    examples = mine("examples").sort("example_id")
    rows = examples.select([name for name in _SHOWN if name in examples.columns]).to_dicts()
    return Fate(
        **about,
        status="in_drop" if rows else "refused" if refused else "unused",
        steps=way(steps, refused),
        rows=rows,
        interaction=seen,
        verdict=_verdict(lake, request_id, {str(drop["judge_epoch"]), *epochs}),
    )


def way(steps: Sequence[str], refused: Sequence[StepFate]) -> list[StepFate]:
    """Every step with its outcome, in order.

    A refusal of the request itself ends its way; refusals of rows made of it do not end that of the others.
    """
    found: list[StepFate] = []
    ended = False
    for step in steps:
        here = [each for each in refused if each.step == step]
        if ended:
            found.append(StepFate(step, "interaction", "not_reached"))
        elif here:
            found += here
            ended = any(each.kind == "interaction" for each in here)
        else:
            found.append(StepFate(step, "interaction", "passed"))
    return found


def _one(rows: pl.LazyFrame) -> dict[str, Any] | None:
    found = rows.collect()
    return found.row(0, named=True) if found.height else None


def _refusal(row: Mapping[str, Any]) -> StepFate:
    return StepFate(
        step=row["stage"],
        kind=row["kind"],
        outcome="refused",
        reason=row["reason"],
        detail=row["detail"],
        evidence=row.get("evidence") or "",
        quarantine_id=row.get("quarantine_id") or "",
    )


def _verdict(lake: Lake, request_id: str, epochs: Collection[str]) -> dict[str, Any] | None:
    rows = lake.scan("judgments").filter(
        pl.col("request_id") == request_id, pl.col("epoch").is_in(list(epochs))
    )
    return _one(rows.sort("judged_at").tail(1).drop("rationale", "improved_response", "content_hash"))
