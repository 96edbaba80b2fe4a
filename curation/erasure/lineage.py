"""The making of a successor as lineage sees it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sinks.drops.manifest import MANIFEST_FILE, read_manifest
from sinks.lake import Lake
from sinks.openlineage import BuildRun


def successor_run(
    lake: Lake,
    drops_root: Path,
    old: Mapping[str, Any],
    new_id: str,
    *,
    tables: Iterable[str],
    reason: str,
) -> BuildRun:
    """From a drop (its registry row) and tables to its successor: new versions of the channel's datasets.

    It is the same run when it is gone on with after a kill.
    """
    folder = drops_root / old["path"]
    return BuildRun(
        job=f"{reason}.{old['channel']}",
        drop_id=new_id,
        as_of=old["as_of"],
        inputs={name: lake.version(name) for name in tables if lake.exists(name)},
        lake_root=lake.root,
        roots={name: lake.stores.of(name).root for name in tables},
        drops_root=drops_root,
        run_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{old['drop_id']}/{new_id}")),
        series=f"drop.{old['channel']}",
        replaces=old["drop_id"],
        # A kill may have left the old folder half cleared.
        replaced_files=read_manifest(folder)["files"] if (folder / MANIFEST_FILE).is_file() else {},
    )
