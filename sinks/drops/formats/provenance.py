"""Where each row of the training files came from, and which row of each file it stands in.

There is no user in it: drops leave the house. Who a row is from says `examples` in the lake, under the same
`example_id`.
"""

from __future__ import annotations

from typing import Final

import polars as pl
import pyarrow as pa

from sinks.drops.formats.layout import MAIN_FILES, ROW_COLUMNS

_STRINGS: Final = pa.list_(pa.string())
_MOMENT: Final = pa.timestamp("us", tz="UTC")

PROVENANCE_SCHEMA: Final = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        *((name, pa.int64()) for name in ROW_COLUMNS),
        ("example_id", pa.string()),
        ("pair_source", pa.string()),
        ("source_type", pa.string()),
        ("request_ids", _STRINGS),
        ("evidence_ids", _STRINGS),
        ("occurred_at", _MOMENT),
        ("feature", pa.string()),
        ("failure_score", pa.float64()),
        ("score_version", pa.string()),
        ("slice", pa.string()),
        ("fingerprint", pa.string()),
        ("model", pa.string()),
        ("base_model", pa.string()),
        ("license", pa.string()),
        ("consent_scope", pa.string()),
        ("consent_policy_version", pa.string()),
        ("consent_as_of", _MOMENT),
        ("transforms", _STRINGS),
        ("judge_epoch", pa.string()),
        ("guideline_version", pa.string()),
        ("safety", pa.bool_()),
        ("inclusion_probability", pa.float64()),
        ("design_weight", pa.float64()),
        ("novelty", pa.float64()),
        ("cluster_id", pa.string()),
        ("cluster_size", pa.int32()),
        ("self_approved", pa.bool_()),
        ("verdict_source", pa.string()),
        ("split", pa.string()),
        ("margin", pa.float64()),
    ]
)
"""`row` counts from 0 within `file`, the one that holds the example whole. The columns of
`layout.ROW_COLUMNS` count rows of the further files of the example's split; null where it is in none. Rows of
`prompts` stand for every example with that prompt. Columns are as in the table `examples`; what rows lack is
null."""

PLACES: Final = ("file", "row", *ROW_COLUMNS)
"""Columns that say where a row stands, not what it is."""


def provenance_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The provenance of placed rows (`placing.placed`), ordered by file as the layout lists them."""
    empty = pl.from_arrow(PROVENANCE_SCHEMA.empty_table())
    assert isinstance(empty, pl.DataFrame)
    missing = {
        name: pl.lit(None, dtype=empty.schema[name])
        for name in PROVENANCE_SCHEMA.names
        if name not in rows.columns
    }
    order = pl.col("kind").replace_strict({kind: n for n, kind in enumerate(MAIN_FILES)})
    return (
        rows.with_columns(**missing)
        .sort(order, "split", "row")
        .select(pl.col(name).cast(empty.schema[name]) for name in PROVENANCE_SCHEMA.names)
    )
