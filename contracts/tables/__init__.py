"""The lake's tables: one pandera (polars) model each, one description per column.

`TABLES` maps the table's name to its model; `frame_schema` gives the polars dtypes, `PARTITIONED`
says which tables are partitioned by `date`.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import pandera.polars as pa
import polars as pl

from contracts.errors import TableInvalid
from contracts.tables.base import Table
from contracts.tables.bronze import Consents, DeadLetters, Outcomes, Requests, Signals
from contracts.tables.curated import Examples, Preferences, Quarantine
from contracts.tables.registry import Drops, Erasures, Lineage, Models
from contracts.tables.silver import Annotations, GoldLabels, Interactions, Judgments

TABLES: Final[dict[str, type[Table]]] = {
    "requests": Requests,
    "signals": Signals,
    "outcomes": Outcomes,
    "consents": Consents,
    "dead_letters": DeadLetters,
    "interactions": Interactions,
    "judgments": Judgments,
    "annotations": Annotations,
    "gold_labels": GoldLabels,
    "examples": Examples,
    "preferences": Preferences,
    "quarantine": Quarantine,
    "drops": Drops,
    "models": Models,
    "erasures": Erasures,
    "lineage": Lineage,
}
"""Every table of the lake by name."""

BRONZE: Final = ("requests", "signals", "outcomes", "consents")
"""Tables with one row per valid message."""


@cache
def validator(name: str) -> pa.DataFrameSchema:
    """The pandera schema of a table."""
    return TABLES[name].to_schema()


@cache
def frame_schema(name: str) -> pl.Schema:
    """Column names and polars dtypes of a table, in order."""
    return pl.Schema({c: spec.dtype.type for c, spec in validator(name).columns.items()})


@cache
def nullable_columns(name: str) -> frozenset[str]:
    """Columns that may be null."""
    return frozenset(c for c, spec in validator(name).columns.items() if spec.nullable)


def is_partitioned(name: str) -> bool:
    """Whether the table is partitioned by `date`."""
    return "date" in frame_schema(name)


def validate(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame unchanged, or raise `TableInvalid` naming table, column and check.

    The message never shows values: they may be user text.
    """
    try:
        validator(name).validate(frame)
    except pa.errors.SchemaError as error:
        column = getattr(error.schema, "name", None) or name
        raise TableInvalid(
            f"rows for table {name} do not fit: column {column}, check {error.check}",
            hint="This is a defect in Tailrace or a table written by another version.",
        ) from None
    return frame
