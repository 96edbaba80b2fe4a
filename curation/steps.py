"""Steps of the nightly build: each takes rows, keeps some, and refuses the others with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

REFUSAL_SCHEMA: Final = pl.Schema(
    {
        "stage": pl.String(),
        "reason": pl.String(),
        "kind": pl.String(),
        "pair_source": pl.String(),
        "request_ids": pl.List(pl.String()),
        "detail": pl.String(),
        "date": pl.Date(),
    }
)
"""What is kept of a refused row; becomes rows of `quarantine`."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """Outcome of one step: rows that go on, rows refused (`REFUSAL_SCHEMA`), and its statistics."""

    name: str
    kept: pl.DataFrame
    refused: pl.DataFrame
    rows_in: int

    def stats(self) -> dict[str, Any]:
        """One row of the funnel: step, rows in and out, refusals by reason."""
        counts = self.refused.group_by("reason").len().sort("reason")
        return {
            "step": self.name,
            "in": self.rows_in,
            "out": self.kept.height,
            "refused": dict(counts.iter_rows()),
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

    def record(self, result: StepResult, *, elsewhere: float = 0.0) -> pl.DataFrame:
        """Note a step's result; returns the rows that go on.

        Its time is that since the last step, and `elsewhere` (seconds) what was done for it before.
        """
        self.spend(result.name, elsewhere)
        self.stats.append(result.stats())
        self.refusals.append(result.refused)
        return result.kept

    def spend(self, name: str, elsewhere: float = 0.0) -> None:
        """Count the time since the last step, and `elsewhere` seconds, as spent on this one."""
        now = self.clock()
        lap = 0.0 if self._since is None else now - self._since
        self.seconds[name] = round(self.seconds.get(name, 0.0) + lap + elsewhere, 3)
        self._since = now

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
) -> pl.DataFrame:
    """Rows in `REFUSAL_SCHEMA` from rows with `request_ids` (or `request_id`) and `date`."""
    columns = rows.columns
    return rows.select(
        stage=pl.lit(stage),
        reason=pl.lit(reason) if isinstance(reason, str) else reason,
        kind=pl.lit(kind) if isinstance(kind, str) else kind,
        pair_source=pl.col("pair_source") if "pair_source" in columns else pl.lit(None, dtype=pl.String),
        request_ids=pl.col("request_ids") if "request_ids" in columns else pl.concat_list("request_id"),
        detail=detail if detail is not None else pl.lit(""),
        date=pl.col("date"),
    ).cast(REFUSAL_SCHEMA)
