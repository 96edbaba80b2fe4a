"""Which row of which file each example becomes."""

from __future__ import annotations

import polars as pl

from sinks.drops.formats.layout import MAIN_FILES

PAIR = pl.col("kind") == "preference"
LEARNED = PAIR | pl.col("label").fill_null(value=False)
"""Rows that show an answer to imitate: the chosen side of pairs, and unpaired rows that are desirable."""

FIRST_PROMPT = pl.col("prompts_row").is_first_distinct().over("split")
"""Of placed rows with the same prompt, the one that the prompt-only file takes it from."""

_PROMPT = {
    "_first_hash": pl.col("prompt").hash(seed=1),
    "_second_hash": pl.col("prompt").hash(seed=2),
    "_tools_hash": pl.col("tools").hash(seed=3),
}
"""What a prompt is told by: 128 bits stand for the text, of which grouping would make another copy."""


def placed(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with `file`, `row`, `sft_row`, `prompts_row` and `openai_sft_row`; the rows keep their order.

    `rows` have `kind`, `split`, `label`, `prompt` and `tools`.
    """
    file = pl.coalesce(
        pl.when(pl.col("kind") == kind).then(pl.format(pattern, "split"))
        for kind, pattern in MAIN_FILES.items()
    )
    number = pl.int_range(pl.len()).over("kind", "split")
    learned = numbered(LEARNED)
    first = pl.col("_number").min().over("split", *_PROMPT)
    return (
        rows.with_row_index("_number")
        .with_columns(**_PROMPT)
        .with_columns(file=file, row=number, sft_row=learned, openai_sft_row=learned, _first=first)
        .with_columns(prompts_row=pl.col("_first").rank("dense").over("split").cast(pl.Int64) - 1)
        .drop("_number", "_first", *_PROMPT)
    )


def numbered(held: pl.Expr) -> pl.Expr:
    """Numbers from 0 for the rows of a split that a file holds, null for the others."""
    return pl.when(held).then(held.cast(pl.Int64).cum_sum().over("split") - 1)
