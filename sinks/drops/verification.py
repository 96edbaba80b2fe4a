"""Checking every published drop: the chain of the registry, its manifests, every byte of its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import DropInvalid
from sinks.drops.chain import broken_links
from sinks.drops.manifest import MANIFEST_FILE, read_manifest, sha256, verify
from sinks.drops.marks import marked_superseded
from sinks.drops.publish import registry
from sinks.drops.strays import dangling_pointers
from sinks.erasure.states import replacing_drops
from sinks.lake import Lake


@dataclass(frozen=True)
class Verification:
    """What was checked, and every problem, a line each.

    head: `row_sha256` of the newest registry row; noted elsewhere it proves the whole history.
    unchained: drops registered before there was a chain. unfinished: superseded drops whose files an erasure
    that was cut off has not cleared yet.
    """

    drops: int
    files: int
    unchained: int
    head: str
    problems: list[str]
    unfinished: list[str]


def verify_registry(
    lake: Lake, drops_root: Path, *, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Verification:
    """Check the chain, and for each drop its folder, manifest and files against the registry.

    Of a superseded drop (`sinks.drops.marks`) only the manifest that names its successor is left.
    """
    rows, replaced = registry(lake), marked_superseded(lake)
    problems = [*broken_links(rows), *dangling_pointers(drops_root, rows["drop_id"].to_list())]
    files, unfinished = 0, []
    for done, row in enumerate(rows.iter_rows(named=True), 1):
        count, found = _checked(drops_root / row["path"], row, replaced.get(row["drop_id"]))
        files += count
        if found and (mark := replaced.get(row["drop_id"])) and replacing_drops(lake, mark["erasure_id"]):
            # Its rows are gone from the tables, another drop stands in for it, and nobody is led to it.
            unfinished.append(row["drop_id"])
        else:
            problems += [f"{row['drop_id']}: {problem}" for problem in found]
        progress(done, rows.height)
    chained = rows.filter(rows["sequence"].is_not_null()).sort("sequence")
    return Verification(
        drops=rows.height,
        files=files,
        unchained=rows.height - chained.height,
        head=chained["row_sha256"][-1] if chained.height else "",
        problems=problems,
        unfinished=unfinished,
    )


def _checked(folder: Path, row: Mapping[str, Any], mark: Mapping[str, Any] | None) -> tuple[int, list[str]]:
    """Files of a drop's manifest, and what is wrong with its folder; `mark`: of a superseded one."""
    try:
        found = verify(folder)
        manifest = read_manifest(folder)
        if mark is not None:
            # Its files are gone on purpose; what is left must say what stands in for it.
            if manifest.get("superseded_by") != mark["successor_id"]:
                found.append(f"{MANIFEST_FILE}: does not name the drop that stands in for it")
        elif sha256(folder / MANIFEST_FILE) != row["manifest_sha256"]:
            found.append(f"{MANIFEST_FILE}: is not the one that was registered")
        if manifest.get("drop_id") != row["drop_id"]:
            found.append(f"{MANIFEST_FILE}: is another drop's")
        return len(manifest["files"]), found
    except (DropInvalid, KeyError) as error:
        return 0, [str(error)]
