"""Marks on published drops: the registry itself is only appended to, and says what was published.

A drop that another one stands in for is *superseded*. Whoever asks for the drops in force, such as the next
build, goes by `in_force`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from contracts.tables import frame_schema
from sinks.lake import Lake
from sinks.transactions import append_once


def mark_superseded(
    lake: Lake,
    drop_id: str,
    successor_id: str,
    *,
    reason: str,
    removed_rows: int,
    models: list[str],
    now: datetime,
    erasure_id: str | None = None,
) -> bool:
    """Note that a drop stands in for another one; false when that was noted before."""
    row = {
        "drop_id": drop_id,
        "mark": "superseded",
        "reason": reason,
        "successor_id": successor_id,
        "erasure_id": erasure_id,
        "removed_rows": removed_rows,
        "models": models,
        "marked_at": now,
    }
    frame = pl.DataFrame([row], schema=frame_schema("drop_marks"))
    return append_once(lake, "drop_marks", frame, batch_id=f"superseded/{drop_id}/{successor_id}") > 0


def marked_superseded(lake: Lake) -> dict[str, dict[str, Any]]:
    """Superseded drops and their newest marks; none in a lake of an older release."""
    if not lake.exists("drop_marks"):
        return {}
    rows = lake.scan("drop_marks").filter(mark="superseded").sort("marked_at").collect()
    return {row["drop_id"]: row for row in rows.iter_rows(named=True)}


def superseded(lake: Lake) -> dict[str, str]:
    """Superseded drops and the drops that stand in for them; none in a lake of an older release."""
    return {drop_id: mark["successor_id"] for drop_id, mark in marked_superseded(lake).items()}


def of_published(lake: Lake, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with `drop_id` of registered drops: rows of one whose build was killed are nobody's yet."""
    known = lake.scan("drops").select("drop_id").collect()["drop_id"]
    return rows.filter(pl.col("drop_id").is_in(known.implode()))


def in_force(lake: Lake, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with `drop_id` of registered drops that no other one stands in for."""
    known = lake.scan("drops").select("drop_id").collect()["drop_id"]
    replaced = superseded(lake)
    valid = known.filter(~known.is_in(pl.Series(list(replaced), dtype=pl.String).implode()))
    return rows.filter(pl.col("drop_id").is_in(valid.implode()))


def successor(lake: Lake, drop_id: str) -> str:
    """The drop in force that stands in for a drop; itself when none does."""
    marks = superseded(lake)
    while drop_id in marks:
        drop_id = marks[drop_id]
    return drop_id


def with_predecessors(lake: Lake, drops: Sequence[str]) -> list[str]:
    """Drops and all superseded ones they stand in for: a model trained on one of those saw their rows too."""
    marks = superseded(lake)
    found = set(drops)
    while more := {old for old, new in marks.items() if new in found} - found:
        found |= more
    return sorted(found)
