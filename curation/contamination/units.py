"""Units: the texts of eval items that are compared one by one."""

from __future__ import annotations

from typing import Final

import polars as pl

from curation.contamination.literal import SHORT

ITEMS: Final = pl.Schema(
    {
        "eval_set": pl.String(),
        "version": pl.Int64(),
        "item_id": pl.String(),
        "field": pl.String(),
        "role": pl.String(),
        "text": pl.String(),
        "tokens": pl.Int64(),
    }
)
"""Texts of items as the registry keeps them; see `contracts.tables.evals.EvalItems`."""


def units(items: pl.DataFrame) -> pl.DataFrame:
    """One row per text that is compared, as `ITEMS`, in an order that does not depend on that of the input.

    Each field by itself; and where every field of an item is too short for that, all of them joined.
    Answers too short to be telling are left out: "42" is no leak.
    """
    items = items.select(list(ITEMS)).sort("eval_set", "version", "item_id", "field", "text")
    telling = items.filter(
        (pl.col("tokens") >= SHORT) | ((pl.col("role") == "question") & (pl.col("tokens") > 0))
    )
    whole = (
        items.group_by("eval_set", "version", "item_id", maintain_order=True)
        .agg(
            field=pl.col("field").str.join("+"),
            role=pl.lit("question"),
            text=pl.col("text").str.join("\n"),
            most=pl.col("tokens").max(),
            fields=pl.len(),
            tokens=pl.col("tokens").sum(),
        )
        .filter((pl.col("most") < SHORT) & (pl.col("fields") > 1) & (pl.col("tokens") >= SHORT))
        .select(list(ITEMS))
    )
    return pl.concat([telling, whole])
