"""Confirmation: a row goes on when the judge and the evidence agree."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from curation.judge.verdicts import Judgment
from curation.steps import StepResult, refusals


def confirm(rows: pl.DataFrame, judgments: Sequence[Judgment]) -> StepResult:
    """Attach verdicts; rows the judge is unsure of, or never saw, are refused with the reason.

    A failing row must be judged `fail` and any other `pass` to go on: the judge and the evidence
    have to agree. Adds `verdict`, `failure_kind`, `severity`.
    """
    verdicts = pl.DataFrame(
        {
            "request_id": [j.request_id for j in judgments],
            "verdict": [j.verdict.verdict if j.verdict else None for j in judgments],
            "failure_kind": [
                j.verdict.failure_kind.value if j.verdict and j.verdict.failure_kind else None
                for j in judgments
            ],
            "severity": [j.verdict.severity if j.verdict else None for j in judgments],
            "improved_response": [j.verdict.improved_response if j.verdict else None for j in judgments],
            "unjudged": [j.reason.value if j.reason else None for j in judgments],
        },
        schema={
            "request_id": pl.String(),
            "verdict": pl.String(),
            "failure_kind": pl.String(),
            "severity": pl.Int32(),
            "improved_response": pl.String(),
            "unjudged": pl.String(),
        },
    )
    marked = rows.join(verdicts, on="request_id", how="left", maintain_order="left")
    wanted = pl.when("failing").then(pl.lit("fail")).otherwise(pl.lit("pass"))
    agreed = (pl.col("verdict") == wanted).fill_null(value=False)
    reason = (
        pl.when(pl.col("verdict").is_null())
        .then(pl.format("unjudged_{}", pl.col("unjudged")))
        .when(pl.col("verdict") == "unsure")
        .then(pl.lit("judge_unsure"))
        .otherwise(pl.lit("judge_disagrees"))
    )
    refused = marked.filter(~agreed)
    return StepResult(
        "confirm",
        marked.filter(agreed).drop("unjudged"),
        refusals(
            "confirm",
            refused,
            reason=reason,
            detail=pl.format("slice {}", pl.col("slice")),
        ),
        rows.height,
    )
