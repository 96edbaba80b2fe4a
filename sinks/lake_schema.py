"""Schemas of the lake's tables: as the contracts have them, and as tables of older releases do."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, Field, Schema

from contracts.tables import TABLES, frame_schema, nullable_columns


def arrow_schema(name: str) -> pa.Schema:
    """Arrow schema of a table with nullability and column comments from its contract."""
    empty = pl.DataFrame(schema=frame_schema(name)).to_arrow()
    nullable = nullable_columns(name)
    columns = TABLES[name].to_schema().columns
    return pa.schema(
        pa.field(
            field.name,
            field.type,
            nullable=field.name in nullable,
            metadata={"comment": columns[field.name].description or ""},
        )
        for field in empty.schema
    )


def in_contract(name: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows of a table in the columns of its contract; null where the table does not have a column yet."""
    there = rows.collect_schema()
    return rows.select(
        pl.col(column) if column in there else pl.lit(None, dtype=dtype).alias(column)
        for column, dtype in frame_schema(name).items()
    )


def widen(table: DeltaTable, name: str) -> None:
    """Add the columns that a table of an older release lacks, so that rows of this one fit.

    They are nullable whatever the contract says: the rows that are there have no value. A commit of its
    own; raises `CommitFailedError` when another writer was first, as any commit does.
    """
    there = {field.name for field in table.schema().fields}
    missing = [column for column in frame_schema(name) if column not in there]
    if missing:
        wanted = {field.name: field for field in Schema.from_arrow(arrow_schema(name)).fields}
        table.alter.add_columns([Field(c, wanted[c].type, metadata=wanted[c].metadata) for c in missing])
