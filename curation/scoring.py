"""The failure score: additive evidence on the log-odds scale.

``score = sigmoid(prior + Σ wᵢ·xᵢ)``, where each xᵢ turns one observed feature into evidence in about
[-1, 1] and is 0 when the feature was not observed. Every row keeps wᵢ·xᵢ per signal, so a score can
always be explained. The default weights are priors: expert guesses, not fitted to anything;
`curation.weights` finds the ones in force.

``disagreement = 2·sigmoid(min(F, A)) - 1``, where F is the sum of a row's contributions that speak for
failure and A that of those against it (both ≥ 0): how far the weaker side alone would move an even opinion.
It is 0 when all evidence points one way and near 1 for five stars under a text that was rewritten. No judge
takes part in it, and nothing averages it away: a silent and a torn row may have the same score.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from contracts.tables.base import CONTRIBUTION

PRIOR_FAILURE_RATE: Final = 0.15

PRIOR_WEIGHTS: Final[Mapping[str, float]] = {
    "thumbs": 3.0,
    "rating": 2.5,
    "edit": 2.4,
    "edit_opposite": 3.0,
    "regenerate": 2.2,
    "retry": 1.6,
    "rephrase": 1.6,
    "rephrase_chain": 2.4,
    "undo": 2.0,
    "copy": 1.0,
    "accept": 1.8,
    "dwell": 0.3,
    "abandoned": 0.6,
    "escalate": 2.4,
    "report": 3.0,
    "error": 3.0,
    "refusal": 1.6,
    "truncated": 1.6,
    "unfinished": 0.5,
    "empty": 2.4,
    "filtered": 1.6,
    "outcome": 2.0,
}
"""Log-odds that full evidence of a signal adds (its sign comes from the evidence)."""

COSMETIC_EDIT: Final = 0.03
"""Edit ratio up to which an edit of unknown class says nothing about failure."""

CORRECTIVE_EDIT: Final = 0.15
"""Edit ratio from which an edit of unknown class is full evidence."""

FULL_CHAIN: Final = 3
"""Prompts asking the same again from which a chain is full evidence; two are two thirds of it."""

UNRELATED_PROMPT: Final = 0.5
"""Prompt similarity up to which the next prompt is simply another question."""

REPHRASED_PROMPT: Final = 0.8
"""Prompt similarity from which the next prompt is full evidence of a rephrase."""

GLANCE_MS: Final = 2_000.0
"""Reading time below which the response was hardly looked at."""

SHAPE: Final[tuple[float, ...]] = (
    *(2, COSMETIC_EDIT, CORRECTIVE_EDIT, FULL_CHAIN),
    *(UNRELATED_PROMPT, REPHRASED_PROMPT, GLANCE_MS),
)
"""What turns features into evidence: part of the score version, as the weights are. The first number changes
with the expressions of `evidence`."""


def _ramp(value: pl.Expr, low: float, high: float) -> pl.Expr:
    return ((value - low) / (high - low)).clip(0.0, 1.0)


def _flag(condition: pl.Expr) -> pl.Expr:
    return condition.cast(pl.Float64)


def evidence() -> dict[str, pl.Expr]:
    """xᵢ per signal over the columns of `interactions`; positive speaks for failure.

    Each expression may be null, which `score` reads as 0 (not observed).
    """
    finish = pl.col("finish_class")
    outcome = 1.0 - 2.0 * pl.col("outcome_success")
    kind = pl.col("edit_class")
    # Rows of a version that knew no classes, and edits whose text was not sent (half evidence).
    by_ratio = _ramp(pl.col("edit_ratio"), COSMETIC_EDIT, CORRECTIVE_EDIT).fill_null(0.5)
    corrected = pl.coalesce(kind != "cosmetic", pl.col("edit_ratio") >= CORRECTIVE_EDIT).fill_null(
        value=False
    )
    chain = pl.col("rephrase_chain").fill_null(0)
    # A regeneration sends the same prompt again by itself.
    chained = (chain >= 2) & (pl.col("regenerate_count") == 0)
    return {
        "thumbs": -pl.col("thumbs"),
        "rating": ((3.0 - pl.col("rating")) / 2.0).clip(-1.0, 1.0),
        "edit": pl.when(pl.col("has_edit")).then(
            pl.when(kind.is_in(["corrective", "rewrite"]))
            .then(1.0)
            .when(kind.is_in(["cosmetic", "opposite"]))
            .then(0.0)
            .otherwise(by_ratio)
        ),
        "edit_opposite": _flag(kind == "opposite"),
        "regenerate": _flag(pl.col("regenerate_count") > 0),
        "retry": _flag((pl.col("retry_count") > 0) & ~chained),
        # The same prompt again is a retry or a regeneration and counted there, several are a chain.
        "rephrase": pl.when((pl.col("retry_count") == 0) & (pl.col("regenerate_count") == 0) & ~chained).then(
            _ramp(pl.col("rephrase_similarity"), UNRELATED_PROMPT, REPHRASED_PROMPT)
        ),
        "rephrase_chain": pl.when(chained).then((chain / FULL_CHAIN).clip(0.0, 1.0)),
        "undo": _flag(pl.col("undo_count") > 0),
        # After a corrective edit, what is copied, accepted or succeeds is the user's text, not ours.
        "copy": -_flag((pl.col("copy_count") > 0) & ~corrected),
        "accept": -_flag((pl.col("accept_count") > 0) & ~corrected),
        "dwell": _flag(pl.col("dwell_ms") < GLANCE_MS),
        "abandoned": _flag(pl.col("abandoned")),
        "escalate": _flag(pl.col("escalate_count") > 0),
        "report": _flag(pl.col("report_count") > 0),
        "error": _flag(finish == "error"),
        "refusal": _flag(finish == "refusal"),
        # A text that ends as texts end may have needed no more.
        "truncated": _flag(finish == "truncated") * pl.when(~pl.col("unfinished")).then(0.5).otherwise(1.0),
        "unfinished": _flag(pl.col("unfinished") & (finish == "ok")),
        "empty": _flag(finish == "empty"),
        "filtered": _flag(finish == "filtered"),
        "outcome": pl.when(corrected).then(outcome.clip(0.0)).otherwise(outcome),
    }


@dataclass(frozen=True)
class ScoreModel:
    """Weights of the score and where they come from (`priors` or a fit).

    fitted_on: the labels of a fit, as far as known: `source`, `count`, `sha256`; says nothing of the score.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: dict(PRIOR_WEIGHTS))
    intercept: float = math.log(PRIOR_FAILURE_RATE / (1.0 - PRIOR_FAILURE_RATE))
    origin: str = "priors"
    fitted_on: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def version(self) -> str:
        """Stable hash of weights and evidence shape, with their origin: `priors-1a2b3c4d`."""
        content = msgspec.json.encode([self.intercept, sorted(self.weights.items()), SHAPE])
        return f"{self.origin}-{hashlib.blake2b(content, digest_size=4).hexdigest()}"


DEFAULT_MODEL: Final = ScoreModel()


def _hint(contribution: Mapping[str, pl.Expr]) -> pl.Expr:
    """Kind of failure the strongest evidence points to."""

    def of(*signals: str) -> pl.Expr:
        present = [contribution[s].clip(0.0) for s in signals if s in contribution]
        return pl.sum_horizontal(present) if present else pl.lit(0.0)

    operational = of("error", "truncated", "unfinished", "empty", "filtered")
    factual = of("outcome", "report", "undo", "edit_opposite")
    preference = of(
        *("thumbs", "rating", "edit", "regenerate", "retry", "rephrase", "rephrase_chain", "refusal")
    )
    best = pl.max_horizontal(operational, factual, preference)
    return (
        pl.when(best <= 0.0)
        .then(pl.lit("unknown"))
        .when(operational == best)
        .then(pl.lit("operational"))
        .when(factual == best)
        .then(pl.lit("factual"))
        .otherwise(pl.lit("preference"))
    )


def score(rows: pl.DataFrame, model: ScoreModel = DEFAULT_MODEL) -> pl.DataFrame:
    """Add to joined rows: `failure_score, contributions, disagreement, failure_hint, score_version`."""
    terms = {name: expr for name, expr in evidence().items() if name in model.weights}
    names = list(terms)
    rows = rows.with_columns(
        (expr * model.weights[name]).fill_null(0.0).alias(f"_{name}") for name, expr in terms.items()
    )
    parts = {name: pl.col(f"_{name}") for name in names}
    logit = model.intercept + pl.sum_horizontal(parts.values())
    matrix = rows.select(f"_{name}" for name in names).to_numpy()
    return rows.with_columns(
        _contributions(matrix, names),
        _disagreement(matrix),
        failure_score=1.0 / (1.0 + (-logit).exp()),
        failure_hint=_hint(parts),
        score_version=pl.lit(model.version),
    ).drop(f"_{name}" for name in names)


def _contributions(matrix: npt.NDArray[np.float64], names: list[str]) -> pl.Series:
    """The non-zero contributions of each row, in the order of `names`.

    Built from one matrix: filtering a list of structs per row costs twenty times as much.
    """
    present = matrix != 0.0
    offsets = np.zeros(len(matrix) + 1, dtype=np.int32)
    np.cumsum(present.sum(axis=1), out=offsets[1:])
    signal = pa.array(names, type=pa.large_string()).take(pa.array(np.nonzero(present)[1]))
    items = pa.StructArray.from_arrays([signal, pa.array(matrix[present])], names=["signal", "contribution"])
    listed = pl.Series("contributions", pl.from_arrow(pa.ListArray.from_arrays(offsets, items)))
    return listed.cast(pl.List(CONTRIBUTION))


def _disagreement(matrix: npt.NDArray[np.float64]) -> pl.Series:
    """How far each row's contributions contradict each other, 0 to 1; the formula heads this file."""
    for_failure = np.where(matrix > 0.0, matrix, 0.0).sum(axis=1)
    against = for_failure - matrix.sum(axis=1)
    weaker = np.clip(np.minimum(for_failure, against), 0.0, None)
    return pl.Series("disagreement", np.tanh(weaker / 2.0), dtype=pl.Float64)
