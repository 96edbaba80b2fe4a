"""Requests whose response the judge's own model family wrote: flagged, and by setting left to people."""

from __future__ import annotations

from typing import Final

import polars as pl

from curation.judge.bench import Bench
from curation.judge.family import same_family
from curation.steps import StepResult, gate

STEP: Final = "judge_family"
REASON: Final = "judge_same_family"


def own_family(rows: pl.DataFrame, bench: Bench) -> StepResult:
    """Add `judge_family_match`: a judge of the row's feature is of the family that wrote its response.

    rows: candidates with `feature`, `model` and `base_model`. With `judge.same_family = "refuse"` rows of
    which every judge is of that family are refused (`judge_same_family`) before anything is paid for them: a
    panel with an independent member still has to be unanimous.
    """
    columns = ("feature", "model", "base_model")
    kinds = rows.select(columns).unique()
    matches = [
        [any(same_family(judge, name) for name in writers) for judge in bench.models_for(feature)]
        for feature, *writers in kinds.iter_rows()
    ]
    about = kinds.with_columns(
        judge_family_match=pl.Series([any(each) for each in matches], dtype=pl.Boolean),
        _all=pl.Series([bool(each) and all(each) for each in matches], dtype=pl.Boolean),
    )
    marked = rows.join(about, on=columns, how="left", nulls_equal=True, maintain_order="left")
    refuse = pl.lit(value=bench.settings.same_family == "refuse")
    result = gate(
        STEP,
        marked,
        [(REASON, refuse & pl.col("_all"))],
        details={REASON: pl.format("written by {}", pl.coalesce("base_model", "model"))},
    )
    return StepResult(result.name, result.kept.drop("_all"), result.refused, result.rows_in)


def to_people(candidates: pl.DataFrame, judged: pl.DataFrame, bench: Bench) -> pl.DataFrame:
    """Rows that `own_family` refused, for people to label (`routing.ROUTED_SCHEMA`).

    candidates: rows before it, judged: after it.
    """
    refused = candidates.join(judged, on="request_id", how="anti", maintain_order="left")
    epochs = {feature: bench.judge_for(feature).epoch.id for feature in refused["feature"].unique()}
    return refused.select(
        "request_id",
        "user_key",
        "feature",
        "failure_score",
        reason=pl.lit(REASON),
        epoch=pl.col("feature").replace_strict(epochs, return_dtype=pl.String),
        verdict=pl.lit(None, dtype=pl.String),
    )


def family_manifest(candidates: pl.DataFrame, judged: pl.DataFrame, final: pl.DataFrame) -> dict[str, int]:
    """The manifest's `judge_family`: `refused` requests, `judged` ones and final `rows` that match.

    candidates: rows before `own_family`, judged: after it; final: rows of the drop. A final row also matches
    when a judge had a side in its comparison.
    """
    return {
        "refused": candidates.height - judged.height,
        "judged": int(judged["judge_family_match"].sum()),
        "rows": int(final["judge_family_match"].sum()),
    }
