"""The registry of drops as a hash chain: a row that was changed, removed or slipped in later shows.

Each row carries the hash of itself and of the row before, as in a log by Haber and Stornetta ("How to
time-stamp a digital document", 1991). Whoever notes the newest hash elsewhere can prove the whole history;
who can write the lake and nothing else can only rewrite all of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
import polars as pl

CHAIN: Final = ("sequence", "previous_sha256", "row_sha256")

HASHED: Final = (
    "drop_id",
    "channel",
    "as_of",
    "published_at",
    "path",
    "manifest_sha256",
    "inputs",
    "config_hash",
    "code_version",
    "judge_epoch",
    "judge",
    "preference_rows",
    "unpaired_rows",
    "quarantined_rows",
)
"""Columns a row's hash covers. Fixed: columns that come later are not part of it."""


def row_sha256(row: Mapping[str, Any], *, sequence: int, previous: str) -> str:
    """Hash of a registry row in its place."""
    values = [sequence, previous, *(_plain(row[name]) for name in HASHED)]
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()


def linked(row: Mapping[str, Any], registry: pl.DataFrame) -> dict[str, Any]:
    """A new registry row, linked to the newest of the registry. Pure."""
    chained = registry.filter(pl.col("sequence").is_not_null()).sort("sequence")
    sequence, previous = 1, ""
    if chained.height:
        newest = chained.row(-1, named=True)
        sequence, previous = newest["sequence"] + 1, newest["row_sha256"]
    return {
        **row,
        "sequence": sequence,
        "previous_sha256": previous,
        "row_sha256": row_sha256(row, sequence=sequence, previous=previous),
    }


def broken_links(registry: pl.DataFrame) -> list[str]:
    """What is wrong with the chain, a line each; empty when every row is as it was written.

    Rows from before there was a chain carry no hash; they are not checked, and none may come later.
    """
    problems = []
    chained = registry.filter(pl.col("sequence").is_not_null()).sort("sequence", "drop_id")
    expected, previous = 1, ""
    for row in chained.iter_rows(named=True):
        name = row["drop_id"]
        if row["sequence"] != expected:
            problems.append(
                f"{name}: place {row['sequence']} where {expected} should be: a row is missing or double"
            )
        if row["previous_sha256"] != previous:
            problems.append(f"{name}: does not follow the row before it")
        if row["row_sha256"] != row_sha256(row, sequence=row["sequence"], previous=row["previous_sha256"]):
            problems.append(f"{name}: its registry row was changed")
        expected, previous = row["sequence"] + 1, row["row_sha256"]
    if chained.height:
        began = chained["published_at"].min()
        late = registry.filter(pl.col("sequence").is_null(), pl.col("published_at") > began)
        problems += [
            f"{name}: has no place in the chain, but came after it began" for name in late["drop_id"]
        ]
    return problems


def _plain(value: Any) -> Any:
    # Microseconds since the epoch do not depend on how a reader shows a time.
    return int(value.timestamp() * 1_000_000 + 0.5) if isinstance(value, datetime) else value
