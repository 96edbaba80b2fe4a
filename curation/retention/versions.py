"""Which published drops can no longer be rebuilt, because files of their inputs are gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from contracts.errors import TailraceError
from sinks.lake import Lake


def unbuildable(lake: Lake, files: Mapping[str, Collection[str]]) -> list[str]:
    """Drops whose inputs need any of these files (table → paths below it), oldest first.

    A drop whose input version cannot be loaded any more is not named: it could not be rebuilt before.
    """
    gone = {name: set(paths) for name, paths in files.items() if paths}
    if not gone or not lake.exists("drops"):
        return []
    needed: dict[tuple[str, int], bool] = {}
    drops = lake.scan("drops").sort("as_of", "drop_id").select("drop_id", "inputs").collect()
    found = []
    for drop_id, inputs in drops.iter_rows():
        versions = msgspec.json.decode(inputs, type=dict[str, int])
        for place in ((name, version) for name, version in versions.items() if name in gone):
            if place not in needed:
                needed[place] = _needs(lake, *place, gone[place[0]])
            if needed[place]:
                found.append(drop_id)
                break
    return found


def _needs(lake: Lake, name: str, version: int, gone: set[str]) -> bool:
    try:
        table = lake.table(name, version=version)
    except TailraceError:
        return False
    return any(uri.endswith(path) for uri in table.file_uris() for path in gone)
