"""The columns of each kind of Parquet file, as pandera schemas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pandera.polars as pandera
import polars as pl
from pandera.errors import SchemaErrors

from sinks.drops.formats.layout import SPLITS

TURNS: Final = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
TOOL_TURNS: Final = pl.List(pl.String)

_TURN_COLUMNS: Final = {
    "preference": ("prompt", "chosen", "rejected"),
    "unpaired": ("prompt", "completion"),
    "sft": ("messages",),
    "prompts": ("prompt",),
}
_KEYS: Final = ("file", "example_id", "split")


def turn_columns(kind: str) -> tuple[str, ...]:
    """Columns of a kind of file that are lists of turns."""
    return _TURN_COLUMNS[kind]


def training_schema(kind: str, frame: pl.DataFrame) -> pandera.DataFrameSchema:
    """What a training file of a kind looks like; all its lists of turns have one form."""
    tooled = any(frame.schema.get(name) == TOOL_TURNS for name in _TURN_COLUMNS[kind])
    columns = {
        name: pandera.Column(TOOL_TURNS if tooled else TURNS, nullable=False) for name in _TURN_COLUMNS[kind]
    }
    columns["tools"] = pandera.Column(pl.String, nullable=True, required=False)
    if kind == "preference":
        columns["margin"] = pandera.Column(pl.Float64, pandera.Check.in_range(0.0, 1.0), required=False)
    if kind == "unpaired":
        columns["label"] = pandera.Column(pl.Boolean, nullable=False)
    return pandera.DataFrameSchema(columns, strict=True)


def provenance_schema(expected: pl.Schema) -> pandera.DataFrameSchema:
    """What a provenance file looks like."""
    columns = {
        name: pandera.Column(dtype, nullable=name not in (*_KEYS, "row")) for name, dtype in expected.items()
    }
    columns["split"] = pandera.Column(pl.String, pandera.Check.isin(SPLITS))
    columns["row"] = pandera.Column(pl.Int64, pandera.Check.ge(0))
    return pandera.DataFrameSchema(columns, strict=True)


def misfits(schema: pandera.DataFrameSchema, frame: pl.DataFrame) -> tuple[str, list[int]]:
    """What does not fit, as "column: check" in words, and the rows that do not; all rows where a column is
    not there or of another type. Values stay out of it."""
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        told = sorted({f"{column}: {check}" for column, check in cases.select("column", "check").iter_rows()})
        indexes: Iterable[int | None] = cases["index"].cast(pl.Int64, strict=False)
        rows = {row for row in indexes if row is not None}
        if cases["index"].null_count():
            rows = set(range(frame.height))
        return ", ".join(told), sorted(rows)
    return "", []
