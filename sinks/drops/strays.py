"""What lies in the drops folder and the registry does not know."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sinks.drops.manifest import MANIFEST_FILE
from sinks.drops.publish import LATEST


def dangling_pointers(drops_root: Path, drop_ids: Collection[str]) -> list[str]:
    """A line for each pointer to a drop that is not registered.

    A pointer moves after its drop was registered, never before: the row of such a drop was removed.
    """
    named = {file.name: file.read_text(errors="replace").strip() for file in drops_root.glob(f"{LATEST}*")}
    return [
        f"{name}: names {drop_id or 'nothing'}, which is no registered drop"
        for name, drop_id in sorted(named.items())
        if drop_id not in drop_ids
    ]


def unregistered(drops_root: Path, paths: Collection[str]) -> list[str]:
    """Folders of drops that no registry row knows: a killed build leaves one for the next to take over."""
    folders = {file.parent.name for file in drops_root.glob(f"[!.]*/{MANIFEST_FILE}")}
    return sorted(folders - set(paths))
