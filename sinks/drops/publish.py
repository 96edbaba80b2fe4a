"""Publishing a drop: stage, verify, record the rows, move into place, register. In this order.

A drop exists when its registry row does. A kill at any moment leaves either the old state or the new
one; what was staged is swept up by the next run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from contracts.errors import DropInvalid, LakeNotWritable
from contracts.tables import frame_schema
from sinks.drops.chain import linked
from sinks.drops.formats import write_files
from sinks.drops.manifest import MANIFEST_FILE, read_manifest, sha256, verify, write_manifest
from sinks.drops.marks import superseded
from sinks.lake import Lake
from sinks.transactions import append_once

STAGING: Final = ".staging-"
LATEST: Final = "LATEST"


def published(lake: Lake, drop_id: str) -> dict[str, Any] | None:
    """The registry row of a drop, or None when it was never published."""
    rows = lake.scan("drops").filter(pl.col("drop_id") == drop_id).collect()
    return rows.row(0, named=True) if rows.height else None


def stage(drops_root: Path, drop_id: str, rows: pl.DataFrame, content: Mapping[str, Any]) -> Path:
    """Write a drop's files and manifest into a staging folder and verify them."""
    folder = drops_root / f"{STAGING}{drop_id}"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_manifest(folder, dict(content), write_files(folder, rows))
    except OSError as error:
        raise LakeNotWritable(
            f"the drops folder {drops_root} cannot be written: {error.strerror}",
            hint="Choose another --home (or TAILRACE_LAKE__DROPS_ROOT) or correct its permissions.",
        ) from None
    if problems := verify(folder):
        raise DropInvalid(f"the staged drop is broken: {'; '.join(problems)}", hint="Check the disk.")
    return folder


def publish(
    lake: Lake,
    drops_root: Path,
    staged: Path,
    registry_row: Mapping[str, Any],
    tables: Mapping[str, pl.DataFrame],
    *,
    step: Callable[[str], None] | None = None,
) -> Path:
    """Publish a staged drop.

    1. Append its rows to the lake (once: a repeat after a crash writes nothing).
    2. Move the folder into place; a folder left there by a crash must hold the same bytes.
    3. Append the registry row, linked to the one before: from here on the drop is published.
    4. Point `LATEST` of the channel at it.
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
    row = {**registry_row, "path": drop_id, "manifest_sha256": manifest_sha256}
    # Builds of one lake wait for each other (`lock`), so the newest row is the one to follow.
    row = linked(row, lake.scan("drops").filter(pl.col("drop_id") != drop_id).collect())
    append_once(lake, "drops", pl.DataFrame([row], schema=frame_schema("drops")), batch_id=f"drop/{drop_id}")
    note("registered")
    point_latest(drops_root, str(registry_row["channel"]), drop_id)
    return final


def point_latest(drops_root: Path, channel: str, drop_id: str) -> None:
    """Move a channel's `LATEST` pointer (a file holding the drop id) in one step."""
    name = LATEST if channel == "default" else f"{LATEST}.{channel}"
    temporary = drops_root / f".{name}.{os.getpid()}"
    temporary.write_text(f"{drop_id}\n")
    temporary.replace(drops_root / name)


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
