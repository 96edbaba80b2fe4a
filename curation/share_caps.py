"""Caps on the share that rows of some sort may be of a drop, by random choice with known chances."""

from __future__ import annotations

import polars as pl

from curation.sampling import Cap, apply_caps, uniform
from curation.steps import StepResult, refusals


def most_beside(others: int, share: float) -> int | None:
    """How many rows may stay beside `others` and be at most `share` of all; None: any number."""
    return None if share >= 1.0 else int(others * share / (1.0 - share) + 1e-9)


def cap_marked(
    step: str,
    rows: pl.DataFrame,
    mine: pl.Series,
    *,
    most: int | None,
    seed: int,
    reason: str,
    detail: pl.Expr,
) -> StepResult:
    """Refuse rows marked in `mine` beyond `most` of them (None: no limit).

    rows: with a unique example_id, request_ids, kind, date and inclusion_probability. Which stay is drawn at
    random; the chance is multiplied into `inclusion_probability` (and `design_weight`, where there is one,
    divided by it). Rows keep their order.
    """
    marked = rows.filter(mine)
    if most is None or marked.is_empty():
        return StepResult(step, rows, refusals(step, rows.clear(), reason=""), rows.height)
    drawn = apply_caps(
        marked.select(request_id="example_id", draw=uniform(marked["example_id"], seed, step)),
        [Cap(reason, pl.lit(0), most)],
        weight=pl.lit(1.0),
        draw=pl.col("draw"),
    )
    refused = marked.filter(drawn["cap"].is_not_null())
    chances = drawn.filter(pl.col("cap").is_null()).select(example_id="request_id", _chance="chance")
    kept = (
        rows.join(refused.select("example_id"), on="example_id", how="anti", maintain_order="left")
        .join(chances, on="example_id", how="left", maintain_order="left")
        .with_columns(pl.col("inclusion_probability") * pl.col("_chance").fill_null(1.0))
    )
    if "design_weight" in kept.columns:
        kept = kept.with_columns(pl.col("design_weight") / pl.col("_chance").fill_null(1.0))
    return StepResult(
        step,
        kept.drop("_chance"),
        refusals(step, refused, reason=reason, kind=pl.col("kind"), detail=detail),
        rows.height,
    )
