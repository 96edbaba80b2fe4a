"""Questions of a build that stayed without a verdict, kept so that a rebuild leaves them without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from contracts.tables import frame_schema
from curation.verdict_memory import Asked
from sinks.drops.manifest import stable_hash
from sinks.lake import Lake
from sinks.transactions import append_once

TABLE: Final = "unjudged"


def keep_unjudged(lake: Lake, drop_id: str, questions: Mapping[Asked, str]) -> str:
    """Store the questions of a build (→ reason); returns the hash that names them, empty for none.

    Two builds of one drop may differ in them (one was killed, the other had the endpoint back), hence the
    hash. A lake of an older release gets the table first. Raises as `append_once`.
    """
    if not questions:
        return ""
    if not lake.exists(TABLE):
        lake.create()
    rows = sorted((*asked, reason) for asked, reason in questions.items())
    build = stable_hash(rows)[:16]
    frame = pl.DataFrame([(drop_id, build, *row) for row in rows], schema=frame_schema(TABLE), orient="row")
    append_once(lake, TABLE, frame, batch_id=f"unjudged/{drop_id}/{build}")
    return build


def unjudged_of(lake: Lake, drop_id: str, build: str) -> dict[Asked, str]:
    """The questions of a build that stayed without a verdict, and why; none for an empty hash."""
    if not build or not lake.exists(TABLE):
        return {}
    rows = lake.scan(TABLE).filter(drop_id=drop_id, build=build).collect()
    return {(r["epoch"], r["content_hash"], r["request_id"]): r["reason"] for r in rows.iter_rows(named=True)}
