"""Confirmation: a row goes on when the judge and the evidence agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from curation.deciding import decided
from curation.judge.authority import Authority
from curation.judge.routing import ROUTED_SCHEMA, routed
from curation.judge.verdicts import Judgment
from curation.steps import StepResult, refusals


@dataclass(frozen=True, slots=True)
class Confirmation(StepResult):
    """Outcome of `confirm`. `to_people`: refused rows somebody should label (`routing.ROUTED_SCHEMA`)."""

    to_people: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ROUTED_SCHEMA))


def confirm(
    rows: pl.DataFrame, judgments: Sequence[Judgment], authority: Authority | None = None
) -> Confirmation:
    """Attach the verdicts that count; rows without one, or with one against the evidence, are refused.

    A failing row must be found `fail` and any other `pass` to go on. Who decides, and what is added:
    `deciding.decided`. Without `authority` every judge decides alone.
    """
    marked = decided(rows, judgments, authority)
    refused = marked.filter(pl.col("reason").is_not_null())
    return Confirmation(
        "confirm",
        marked.filter(pl.col("reason").is_null()).drop("unjudged", "judged", "reason", "detail"),
        refusals("confirm", refused, reason=pl.col("reason"), detail=pl.col("detail")),
        rows.height,
        to_people=routed(refused),
    )
