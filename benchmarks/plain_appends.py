"""What exactly-once costs: the same worker with plain appends in place of `sinks.transactions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from deltalake import CommitProperties

from contracts.errors import TerminalError
from contracts.tables import frame_schema
from sinks import transactions
from sinks.lake import Lake


def without_exactly_once() -> None:
    """From now on appends of this process carry no transactions, skip nothing and validate nothing.

    Raises `TerminalError` when `sinks.transactions` no longer has the function all appends go through.
    """
    if not hasattr(transactions, "_append"):
        raise TerminalError("sinks.transactions has no _append to replace: adapt benchmarks.plain_appends")
    setattr(transactions, "_append", _plain_append)  # noqa: B010 - a name mypy is not to follow


def _plain_append(
    lake: Lake, name: str, rows: pl.DataFrame, _unseen: Any, **_options: Mapping[str, Any] | None
) -> int:
    if rows.is_empty():
        return 0
    rows = rows.select(list(frame_schema(name)))
    transactions.add_rows(lake, lake.table(name), name, rows, CommitProperties())
    return rows.height
