"""What was observed of an interaction, in classes people understand."""

from __future__ import annotations

from typing import Final

import polars as pl

REPHRASED: Final = 0.8
"""Similarity of the next prompt from which it counts as the same question in other words."""

EXPLICIT: Final = "Explicit feedback"
OUTCOME: Final = "Downstream outcome"
IMPLICIT: Final = "Behaviour"
CALL: Final = "Failed or cut call"
NOTHING: Final = "Nothing observed"

CLASSES: Final[tuple[str, ...]] = (EXPLICIT, OUTCOME, IMPLICIT, CALL, NOTHING)
"""Strongest evidence first."""

DESCRIPTIONS: Final[dict[str, str]] = {
    EXPLICIT: "thumbs, rating, report",
    OUTCOME: "a known result: ticket, test, order",
    IMPLICIT: "edit, regenerate, rephrase, copy, accept, …",
    CALL: "error, refusal, truncation, filter",
    NOTHING: "neither good nor bad is known",
}


def observed() -> dict[str, pl.Expr]:
    """One boolean expression per class over the columns of `interactions`; classes may overlap."""
    flags = ("edit", "regenerate", "retry", "undo", "copy", "accept", "escalate")
    explicit = pl.any_horizontal("has_thumbs", "has_rating", "has_report")
    implicit = pl.any_horizontal(
        *(f"has_{name}" for name in flags),
        pl.col("abandoned").fill_null(value=False),
        (pl.col("rephrase_similarity") >= REPHRASED).fill_null(value=False),
    )
    call = pl.col("finish_class") != "ok"
    outcome = pl.col("has_outcome")
    return {
        EXPLICIT: explicit,
        OUTCOME: outcome,
        IMPLICIT: implicit,
        CALL: call,
        NOTHING: ~pl.any_horizontal(explicit, outcome, implicit, call),
    }


def strongest() -> pl.Expr:
    """The one class an interaction is shown under: the first of `CLASSES` that was observed."""
    seen = observed()
    chain = pl.when(seen[EXPLICIT]).then(pl.lit(EXPLICIT))
    for name in (OUTCOME, IMPLICIT, CALL):
        chain = chain.when(seen[name]).then(pl.lit(name))  # type: ignore[assignment]
    return chain.otherwise(pl.lit(NOTHING))
