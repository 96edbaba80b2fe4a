"""Publishing a drop: stage, verify, record the rows, move into place, register. In this order.

A drop exists when its registry row does. A kill at any moment leaves either the old state or the new
one; what was staged is swept up by the next run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from contracts.errors import CommitFenced, DropInvalid, Overtaken
from contracts.tables import frame_schema
from sinks.drops.chain import linked
from sinks.drops.manifest import MANIFEST_FILE, read_manifest, sha256, verify
from sinks.drops.marks import successor, superseded
from sinks.lake import Lake
from sinks.transactions import append_once

LATEST: Final = "LATEST"
CHAIN_JOB: Final = "registry"
"""Transaction id of places in the registry's chain."""

MAX_RELINKED: Final = 100
"""Other drops that may be registered first before this gives up: each costs a look at the registry."""


def published(lake: Lake, drop_id: str) -> dict[str, Any] | None:
    """The registry row of a drop, or None when it was never published."""
    rows = lake.scan("drops").filter(pl.col("drop_id") == drop_id).collect()
    return rows.row(0, named=True) if rows.height else None


def publish(
    lake: Lake,
    drops_root: Path,
    staged: Path,
    registry_row: Mapping[str, Any],
    tables: Mapping[str, pl.DataFrame],
    *,
    step: Callable[[str], None] | None = None,
    latest: bool = True,
) -> Path:
    """Publish a staged drop.

    1. Append its rows to the lake (once: a repeat after a crash writes nothing).
    2. Move the folder into place; a folder left there by a crash must hold the same bytes.
    3. Append the registry row, linked to the one before: from here on the drop is published.
    4. Point `LATEST` of the channel at it (`latest`); after a kill in between, `settle_latest` does.

    A row with `scheduled_for` is one of a night: each moment of a channel has one drop, and none comes
    after that of a later moment. Raises `Overtaken` where another build was first; its drop stays alone.
    """
    note = step or (lambda _: None)
    drop_id = str(registry_row["drop_id"])
    for name, rows in tables.items():
        append_once(lake, name, rows, batch_id=f"drop/{drop_id}")
        note(f"rows:{name}")
    final = drops_root / drop_id
    manifest_sha256 = sha256(staged / MANIFEST_FILE)
    if final.exists():
        if verify(final) or sha256(final / MANIFEST_FILE) != manifest_sha256:
            raise DropInvalid(
                f"{final} exists and is not this drop",
                hint="It was never registered; move it away and run again.",
            )
        shutil.rmtree(staged)
    else:
        staged.rename(final)
    note("moved")
    row = {**registry_row, "path": drop_id, "manifest_sha256": manifest_sha256, "to_announce": True}
    try:
        _register(lake, row)
    except Overtaken:
        shutil.rmtree(final, ignore_errors=True)
        raise
    note("registered")
    if latest:
        point_latest(drops_root, str(registry_row["channel"]), drop_id)
    return final


def _register(lake: Lake, row: Mapping[str, Any]) -> None:
    """Append a drop's registry row, linked to the newest one; a repeat writes nothing.

    Its place in the chain is a transaction, and its scheduled moment is another. So of two builds on
    different machines one is refused: it links itself to the row of the other, unless both are of one moment.
    """
    drop_id, night = str(row["drop_id"]), _night(row)
    for _ in range(MAX_RELINKED):
        linked_row = linked(row, lake.scan("drops").filter(pl.col("drop_id") != drop_id).collect())
        frame = pl.DataFrame([linked_row], schema=frame_schema("drops"))
        fences = {**night, CHAIN_JOB: linked_row["sequence"]}
        try:
            append_once(lake, "drops", frame, batch_id=f"drop/{drop_id}", fences=fences)
        except Overtaken as error:
            if error.job != CHAIN_JOB:
                raise
        else:
            return
    raise CommitFenced("other builds keep registering drops", hint="Run it again.")


def _night(row: Mapping[str, Any]) -> dict[str, int]:
    """The transaction that only one build of a scheduled moment can commit; none for builds by hand."""
    moment = row.get("scheduled_for")
    return {} if moment is None else {f"nightly/{row['channel']}": int(moment.timestamp())}


def published_for(lake: Lake, channel: str, moment: datetime) -> dict[str, Any] | None:
    """The registry row of the drop built for a scheduled moment, or None when there is none."""
    mine = (pl.col("channel") == channel) & (pl.col("scheduled_for") == moment)
    rows = lake.scan("drops").filter(mine).collect()
    return rows.row(0, named=True) if rows.height else None


def latest_name(channel: str) -> str:
    """Name of the file that points at a channel's newest drop."""
    return LATEST if channel == "default" else f"{LATEST}.{channel}"


def point_latest(drops_root: Path, channel: str, drop_id: str) -> None:
    """Move a channel's `LATEST` pointer (a file holding the drop id) in one step."""
    name = latest_name(channel)
    temporary = drops_root / f".{name}.{os.getpid()}"
    temporary.write_text(f"{drop_id}\n")
    temporary.replace(drops_root / name)


def settle_latest(lake: Lake, drops_root: Path, channel: str) -> None:
    """Point a channel's `LATEST` at the drop registered last, or at the one that stands in for it.

    A drop that stands in for an older one is not newer for that. For after a kill: it changes nothing when
    the pointer is right.
    """
    stand_ins = pl.Series(list(superseded(lake).values()), dtype=pl.String)
    rows = lake.scan("drops").filter(
        pl.col("channel") == channel, ~pl.col("drop_id").is_in(stand_ins.implode())
    )
    ordered = rows.select("drop_id", "sequence", "published_at").collect().sort("sequence", "published_at")
    if ordered.is_empty():
        return
    newest = successor(lake, ordered["drop_id"][-1])
    if latest_of(drops_root, channel) != newest:
        point_latest(drops_root, channel, newest)


def latest_of(drops_root: Path, channel: str) -> str | None:
    """The drop that a channel's `LATEST` names; None where there is none yet."""
    path = drops_root / (LATEST if channel == "default" else f"{LATEST}.{channel}")
    return path.read_text().strip() if path.is_file() else None


def registry(lake: Lake) -> pl.DataFrame:
    """All published drops, newest as-of first; one that another stands in for comes after that one."""
    replaced = pl.Series(list(superseded(lake)), dtype=pl.String)
    rows = lake.scan("drops").with_columns(replaced=pl.col("drop_id").is_in(replaced.implode()))
    order = rows.sort("as_of", "replaced", "published_at", descending=[True, False, True])
    return order.drop("replaced").collect()


def summary(folder: Path) -> dict[str, Any]:
    """The manifest with the funnel last, for people."""
    manifest = read_manifest(folder)
    funnel = manifest.pop("funnel", [])
    return {**manifest, "funnel": funnel}
