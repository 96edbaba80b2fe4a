"""Counts of dead letters in the lake. Their contents are never read: they may be user text."""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

from contracts import reasons
from sinks.lake import Lake

EXAMPLES: Final = 3
TOP_FIELDS: Final = 10

Counts = tuple[pl.DataFrame, pl.DataFrame]
"""Dead letters by reason, topic and day; and by field."""


def letter_counts(lake: Lake, *, since: date | None = None) -> Counts:
    """Dead letters by `reason`, `topic` and `date` with `count`, `first_seen`, `last_seen` and `examples`
    (`partition/offset` of the newest), the newest day first; and the `field`s of schema errors with
    `topic` and `count`, the most frequent first. `since`: only that day (UTC) and later."""
    rows = lake.scan("dead_letters")
    if since is not None:
        rows = rows.filter(pl.col("date") >= since)
    place = pl.format("{}/{}", "partition", "offset")
    grouped = (
        rows.group_by("date", "reason", "topic")
        .agg(
            count=pl.len(),
            first_seen=pl.col("received_at").min(),
            last_seen=pl.col("received_at").max(),
            examples=place.top_k_by(["received_at", "partition", "offset"], EXAMPLES),
        )
        .sort("date", "count", "reason", "topic", descending=[True, True, False, False])
    )
    fields = (
        rows.filter(pl.col("reason") == reasons.SCHEMA, pl.col("field") != "")
        .group_by("topic", "field")
        .agg(count=pl.len())
        .sort("count", "topic", "field", descending=[True, False, False])
        .head(TOP_FIELDS)
    )
    counted, named = pl.collect_all([grouped, fields])
    return counted, named
