"""Which published drops can no longer be rebuilt, because files of their inputs are gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from contracts.errors import TailraceError
from sinks.erasure.storage import is_data, table_files
from sinks.lake import Lake


def unbuildable(lake: Lake, files: Mapping[str, Collection[str]]) -> list[str]:
    """Drops whose inputs need any of these files (table → paths below it), oldest first.

    A drop that could not be rebuilt before, because its version or other files of it are gone, is not named.
    """
    gone = {name: set(paths) for name, paths in files.items() if paths}
    if not gone or not lake.exists("drops"):
        return []
    # Here, or here until a moment ago.
    there = {name: gone[name] | _stored(lake, name) for name in gone}
    seen: dict[tuple[str, int], bool] = {}
    drops = lake.scan("drops").sort("as_of", "drop_id").select("drop_id", "inputs").collect()
    found = []
    for drop_id, inputs in drops.iter_rows():
        versions = msgspec.json.decode(inputs, type=dict[str, int])
        places = [(name, version) for name, version in versions.items() if name in gone]
        for name, version in places:
            if (name, version) not in seen:
                seen[name, version] = _loses(lake, name, version, gone[name], there[name])
        if any(seen[place] for place in places):
            found.append(drop_id)
    return found


def _stored(lake: Lake, name: str) -> set[str]:
    return {file.path for file in table_files(lake, name).all() if is_data(file.path)}


def _loses(lake: Lake, name: str, version: int, gone: set[str], there: set[str]) -> bool:
    """Whether a version that could be read needs any of the files."""
    try:
        table = lake.table(name, version=version)
    except TailraceError:
        return False
    root = lake.uri(name).removeprefix("file://").rstrip("/") + "/"
    needed = {uri.removeprefix("file://").partition(root)[2] for uri in table.file_uris()}
    return needed <= there and bool(needed & gone)
