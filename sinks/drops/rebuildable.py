"""Which published drops can no longer be rebuilt, because files of what they were built from are gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
import polars as pl

from sinks.drops.recipe import decode
from sinks.lake import Lake
from sinks.table_versions import files_of, gone, same_rows_from, stored_files

KEPT_BY_KEY: Final = frozenset({"judgments", "eval_sets", "eval_items", "examples", "example_sketches"})
"""Tables whose rows never change and are looked up by key: where a version is gone, the newest one will do
as long as no row was taken out."""


def pins_of(row: Mapping[str, Any]) -> dict[str, int]:
    """Table → version that building a drop again reads, from its row of the registry."""
    pins = msgspec.json.decode(row["inputs"], type=dict[str, int])
    if row.get("recipe"):
        pins |= {
            name: version for name, version in decode(row["recipe"]).reads.items() if version is not None
        }
    return pins


def readable_pins(lake: Lake, name: str, versions: Collection[int]) -> dict[int, list[str]]:
    """Those of some versions of a table that can be read and that drops need: version → drops. Versions of
    tables whose rows any newer version has too are left out."""
    if not versions or name in KEPT_BY_KEY or not lake.exists("drops"):
        return {}
    wanted: dict[int, list[str]] = {}
    for row in _drops(lake).iter_rows(named=True):
        if (version := pins_of(row).get(name)) in versions and version is not None:
            wanted.setdefault(version, []).append(row["drop_id"])
    stored = stored_files(lake, name) if wanted else set()
    return {version: drops for version, drops in wanted.items() if gone(lake, name, version, stored) is None}


def _drops(lake: Lake) -> pl.DataFrame:
    rows = lake.scan("drops").sort("as_of", "drop_id")
    return rows.select("drop_id", "inputs", "recipe").collect()


def unbuildable(lake: Lake, files: Mapping[str, Collection[str]], *, rows_go: bool = True) -> list[str]:
    """Drops that need any of these files (table → paths below it), oldest first.

    `rows_go`: the rows in them go, too; else they are in newer files, and only reading the old version goes.
    A drop that could not be rebuilt before, because its version or other files of it are gone, is not named.
    """
    going = {
        name: set(paths) for name, paths in files.items() if paths and (rows_go or name not in KEPT_BY_KEY)
    }
    if not going or not lake.exists("drops"):
        return []
    # Here, or here until a moment ago.
    there = {name: going[name] | stored_files(lake, name) for name in going}
    seen: dict[tuple[str, int], bool] = {}
    found = []
    for row in _drops(lake).iter_rows(named=True):
        places = [(name, version) for name, version in pins_of(row).items() if name in going]
        for name, version in places:
            if (name, version) not in seen:
                seen[name, version] = _loses(lake, name, version, going[name], there[name])
        if any(seen[place] for place in places):
            found.append(row["drop_id"])
    return found


def _loses(lake: Lake, name: str, version: int, going: set[str], there: set[str]) -> bool:
    """Whether a version that could be read needs any of the files, and so does every one that is the same."""
    needed = files_of(lake, name, version)
    if needed is None or not needed <= there or not needed & going:
        return False
    same = (files_of(lake, name, later) for later in same_rows_from(lake, name, version))
    return not any(each is not None and each <= there - going for each in same)
