"""How contaminated what a drop was made from was, by eval set."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import polars as pl

from curation.contamination.step import REASON

MATCHES: Final = pl.Schema(
    {
        "eval_set": pl.String(),
        "eval_version": pl.Int64(),
        "item_id": pl.String(),
        "field": pl.String(),
        "layer": pl.String(),
        "score": pl.Float64(),
        "severe": pl.Boolean(),
        "side": pl.String(),
        "start": pl.Int64(),
        "end": pl.Int64(),
    }
)
"""What `evidence` holds of a match; `matches` puts the refusal's id and requests before it."""


def matches(refused: pl.DataFrame) -> pl.DataFrame:
    """All matches of contaminated rows of the quarantine (or of `REFUSAL_SCHEMA`), one row each."""
    schema = {"quarantine_id": pl.String(), "request_ids": pl.List(pl.String()), **MATCHES}
    records: list[dict[str, Any]] = []
    rows = refused.filter((pl.col("reason") == REASON) & pl.col("evidence").is_not_null())
    for quarantine_id, requests, evidence in rows.select(
        "quarantine_id", "request_ids", "evidence"
    ).iter_rows():
        found = msgspec.json.decode(evidence)["matches"]
        records += [{"quarantine_id": quarantine_id, "request_ids": requests, **match} for match in found]
    return pl.DataFrame(records, schema=schema)


def contamination(refused: pl.DataFrame, sets: pl.DataFrame, rows_checked: int) -> dict[str, dict[str, int]]:
    """The manifest's `contamination`: per eval set in force how many of its items were found in how many of
    the rows checked. `sets`: rows of `eval_sets`; `refused`: the refusals of all steps."""
    found = (
        matches(refused)
        .group_by("eval_set")
        .agg(
            items_hit=pl.col("item_id").n_unique(),
            rows_hit=pl.col("quarantine_id").n_unique(),
            severe=pl.col("quarantine_id").filter(pl.col("severe")).n_unique(),
        )
    )
    rows = sets.join(found, on="eval_set", how="left").sort("eval_set")
    return {
        row["eval_set"]: {
            "version": row["version"],
            "items_total": row["items"],
            "items_hit": row["items_hit"] or 0,
            "rows_checked": rows_checked,
            "rows_hit": row["rows_hit"] or 0,
            "rows_severe": row["severe"] or 0,
        }
        for row in rows.iter_rows(named=True)
    }
