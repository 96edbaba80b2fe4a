"""The log of copies outside (`pushes`), so that an erasure can name what it cannot reach."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import polars as pl

from contracts.tables import frame_schema
from sinks.drops.manifest import stable_hash
from sinks.lake import Lake
from sinks.push.parcel import Parcel
from sinks.transactions import append_once

TABLE: Final = "pushes"
BEGUN: Final = "begun"
COMPLETE: Final = "complete"


def record(
    lake: Lake,
    parcel: Parcel,
    destination: str,
    state: str,
    *,
    now: datetime,
    branch: str | None = None,
    commit: str | None = None,
) -> None:
    """Note that a push has begun, or that a copy is whole; once each per drop and destination."""
    row = {
        "drop_id": parcel.drop_id,
        "destination": destination,
        "branch": branch,
        "state": state,
        "commit_id": commit,
        "files": len(parcel.pieces),
        "bytes": parcel.bytes,
        "manifest_sha256": parcel.manifest_sha256,
        "pushed_at": now,
    }
    batch = stable_hash([parcel.drop_id, destination, branch, state])[:32]
    frame = pl.DataFrame([row], schema=frame_schema(TABLE))
    append_once(lake, TABLE, frame, batch_id=f"push/{parcel.drop_id}/{batch}")


def copies_of(lake: Lake, drops: Sequence[str]) -> list[dict[str, Any]]:
    """Copies of drops outside: `drop_id`, `destination`, `branch`, `commit_id`, `whole`, `pushed_at`; one per
    drop and place. One that is not whole was begun: some of its files may be there."""
    if not lake.exists(TABLE):
        return []
    wanted = pl.col("drop_id").is_in(pl.Series(list(drops), dtype=pl.String).implode())
    return (
        lake.scan(TABLE)
        .filter(wanted)
        .sort("pushed_at")
        .group_by("drop_id", "destination", "branch")
        .agg(
            pl.col("commit_id").drop_nulls().last(),
            pl.col("pushed_at").last(),
            whole=(pl.col("state") == COMPLETE).any(),
        )
        .select("drop_id", "destination", "branch", "commit_id", "whole", "pushed_at")
        .sort("drop_id", "destination", "branch")
        .collect()
        .to_dicts()
    )
