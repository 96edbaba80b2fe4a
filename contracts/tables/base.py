"""What the table models share: column types, the column helper, the base model."""

from __future__ import annotations

from typing import Annotated, Any

import pandera.polars as pa
import polars as pl

Time = Annotated[pl.Datetime, "us", "UTC"]
"""A moment, UTC microseconds."""

Strings = Annotated[pl.List, pl.String()]
"""A list of strings."""

CONTRIBUTION = pl.Struct({"signal": pl.String(), "contribution": pl.Float64()})
Contributions = Annotated[pl.List, CONTRIBUTION]
"""A list of {signal, contribution}: evidence and what it adds to the log-odds of failure."""


def column(description: str, *, nullable: bool = False, **checks: Any) -> Any:
    """A documented column; `checks` are pandera checks such as ``ge=0`` or ``isin=[…]``."""
    return pa.Field(description=description, nullable=nullable, **checks)


def optional(description: str, **checks: Any) -> Any:
    """A documented column that may be null: null means not given or not observed."""
    return column(description, nullable=True, **checks)


class Table(pa.DataFrameModel):
    """Base of every table of the lake: exact columns, in order, no silent casts."""

    class Config:
        """Strict by default: a write with a missing, extra or mistyped column is refused."""

        strict = True
        ordered = True
        coerce = False


class Logged(Table):
    """Where in Kafka a row came from; together with the topic this identifies the message."""

    duplicate: bool = column("whether an earlier message carried the same id; readers skip such rows")
    partition: pl.Int32 = column("Kafka partition", ge=0)
    offset: pl.Int64 = column("Kafka offset in that partition", ge=0)
    received_at: Time = column("broker's timestamp of the message")
