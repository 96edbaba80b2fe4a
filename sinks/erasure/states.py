"""How far erasures are, by the rows they leave in `erasures`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from contracts.tables.registry import ERASURE_STATES
from sinks.lake import Lake


def newest_state(lake: Lake, identifier: str) -> Mapping[str, Any] | None:
    """The newest row of an erasure; None when it was never asked for."""
    if not lake.exists("erasures"):
        return None
    rows = lake.scan("erasures").filter(erasure_id=identifier).collect()
    if rows.is_empty():
        return None
    order = {state: place for place, state in enumerate(ERASURE_STATES)}
    rows = rows.with_columns(
        state=pl.col("state").fill_null("proven"), recorded_at=pl.coalesce("recorded_at", "requested_at")
    )
    rows = rows.with_columns(place=pl.col("state").replace_strict(order, return_dtype=pl.Int32))
    return rows.sort("recorded_at", "place").row(-1, named=True)


def replacing_drops(lake: Lake, identifier: str | None) -> bool:
    """Whether an erasure was asked for and has not said yet that all drops with the person are replaced."""
    state = newest_state(lake, identifier) if identifier else None
    reached = ERASURE_STATES.index(state["state"]) if state else len(ERASURE_STATES)
    return reached < ERASURE_STATES.index("drops")
