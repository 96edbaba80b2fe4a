"""Steps of the nightly build: each takes rows, keeps some, and refuses the others with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from curation.texts.hashing import content_hash

REFUSAL_SCHEMA: Final = pl.Schema(
    {
        "stage": pl.String(),
        "reason": pl.String(),
        "kind": pl.String(),
        "pair_source": pl.String(),
        "request_ids": pl.List(pl.String()),
        "detail": pl.String(),
        "quarantine_id": pl.String(),
        "evidence": pl.String(),
        "date": pl.Date(),
    }
)
"""What is kept of a refused row; becomes rows of `quarantine`."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """Outcome of one step: rows that go on, rows refused (`REFUSAL_SCHEMA`), and its statistics.

    `notes` are further figures for the funnel, if the step has any.
    """

    name: str
    kept: pl.DataFrame
    refused: pl.DataFrame
    rows_in: int
    notes: Mapping[str, Any] = field(default_factory=dict)

    def stats(self) -> dict[str, Any]:
        """One row of the funnel: step, rows in and out, refusals by reason."""
        counts = self.refused.group_by("reason").len().sort("reason")
        return {
            "step": self.name,
            "in": self.rows_in,
            "out": self.kept.height,
            "refused": dict(counts.iter_rows()),
            **self.notes,
        }


@dataclass(slots=True)
class Funnel:
    """Statistics and refusals of a build, in the order of its steps.

    `clock` gives seconds from any start. `seconds` holds the time of each step; it is kept apart because
    the statistics go into the manifest, which has the same bytes whenever it is made.
    """

    clock: Callable[[], float] = time.perf_counter
    stats: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[pl.DataFrame] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    _since: float | None = None

    def start(self) -> None:
        """The next step begins now."""
        self._since = self.clock()

    def record(self, result: StepResult) -> pl.DataFrame:
        """Note a step's result, and the time since the last one; returns the rows that go on."""
        self.spend(result.name)
        self.stats.append(result.stats())
        self.refusals.append(result.refused)
        return result.kept

    def spend(self, name: str) -> None:
        """Count the time since the last step as spent on this one."""
        now = self.clock()
        self.add({name: 0.0 if self._since is None else now - self._since})
        self._since = now

    def add(self, seconds: Mapping[str, float]) -> None:
        """Count time that was spent on steps elsewhere."""
        for name, more in seconds.items():
            self.seconds[name] = round(self.seconds.get(name, 0.0) + more, 3)

    def refused(self) -> pl.DataFrame:
        """All refusals."""
        return pl.concat([pl.DataFrame(schema=REFUSAL_SCHEMA), *self.refusals])


def gate(
    name: str,
    rows: pl.DataFrame,
    reasons: Sequence[tuple[str, pl.Expr]],
    *,
    kind: str | pl.Expr = "interaction",
    details: Mapping[str, pl.Expr] | None = None,
) -> StepResult:
    """Refuse rows for the first reason whose condition holds; null conditions do not hold.

    `rows` needs `request_ids` (or `request_id`) and `date`; `pair_source` is kept when there.
    `details` adds evidence per reason, as text without user content.
    """
    checks = [(reason, condition.fill_null(value=False)) for reason, condition in reasons]
    first = pl.coalesce(
        *(pl.when(condition).then(pl.lit(reason)) for reason, condition in checks),
        pl.lit(None, dtype=pl.String),
    )
    marked = rows.with_columns(_reason=first)
    refused = marked.filter(pl.col("_reason").is_not_null())
    detail = pl.coalesce(
        *(pl.when(pl.col("_reason") == reason).then(text) for reason, text in (details or {}).items()),
        pl.lit(""),
    )
    return StepResult(
        name=name,
        kept=marked.filter(pl.col("_reason").is_null()).drop("_reason"),
        refused=refusals(name, refused, reason=pl.col("_reason"), kind=kind, detail=detail),
        rows_in=rows.height,
    )


def refusals(
    stage: str,
    rows: pl.DataFrame,
    *,
    reason: str | pl.Expr,
    kind: str | pl.Expr = "interaction",
    detail: pl.Expr | None = None,
    matched: pl.Expr | None = None,
    evidence: pl.Expr | None = None,
) -> pl.DataFrame:
    """Rows in `REFUSAL_SCHEMA` from rows with `request_ids` (or `request_id`) and `date`.

    `matched` names what a row was refused for, where that is more than the reason: part of its id.
    `evidence` is JSON without user text.
    """
    columns = rows.columns
    found = rows.select(
        stage=pl.lit(stage),
        reason=pl.lit(reason) if isinstance(reason, str) else reason,
        kind=pl.lit(kind) if isinstance(kind, str) else kind,
        pair_source=pl.col("pair_source") if "pair_source" in columns else pl.lit(None, dtype=pl.String),
        request_ids=pl.col("request_ids") if "request_ids" in columns else pl.concat_list("request_id"),
        detail=detail if detail is not None else pl.lit(""),
        matched=matched if matched is not None else pl.lit(""),
        evidence=evidence if evidence is not None else pl.lit(None, dtype=pl.String),
        date=pl.col("date"),
    )
    ids = [
        quarantine_id(stage, why, requests, what)
        for why, requests, what in found.select("reason", "request_ids", "matched").iter_rows()
    ]
    return (
        found.with_columns(quarantine_id=pl.Series(ids, dtype=pl.String))
        .select(list(REFUSAL_SCHEMA))
        .cast(REFUSAL_SCHEMA)
    )


def quarantine_id(stage: str, reason: str, request_ids: Sequence[str], matched: str = "") -> str:
    """Id of a refusal: the same row refused for the same thing has the same id every night."""
    return content_hash([stage, reason, matched, *request_ids])[:20]
