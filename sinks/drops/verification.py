"""Checking every published drop: the chain of the registry, its manifests, every byte of its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import DropInvalid
from sinks.drops.chain import broken_links
from sinks.drops.manifest import MANIFEST_FILE, read_manifest, sha256, verify
from sinks.drops.marks import superseded
from sinks.drops.publish import registry
from sinks.drops.strays import dangling_pointers
from sinks.lake import Lake


@dataclass(frozen=True)
class Verification:
    """What was checked, and every problem, a line each.

    head: `row_sha256` of the newest registry row; noted elsewhere it proves the whole history.
    unchained: drops registered before there was a chain.
    """

    drops: int
    files: int
    unchained: int
    head: str
    problems: list[str]


def verify_registry(
    lake: Lake, drops_root: Path, *, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Verification:
    """Check the chain, and for each drop its folder, manifest and files against the registry.

    Of a superseded drop (`sinks.drops.marks`) only the manifest that names its successor is left.
    """
    rows, replaced = registry(lake), superseded(lake)
    problems = [*broken_links(rows), *dangling_pointers(drops_root, rows["drop_id"].to_list())]
    files = 0
    for done, row in enumerate(rows.iter_rows(named=True), 1):
        folder = drops_root / row["path"]
        try:
            found = verify(folder)
            manifest = read_manifest(folder)
            if (successor := replaced.get(row["drop_id"])) is not None:
                # Its files are gone on purpose; what is left must say what stands in for it.
                if manifest.get("superseded_by") != successor:
                    found.append(f"{MANIFEST_FILE}: does not name the drop that stands in for it")
            elif sha256(folder / MANIFEST_FILE) != row["manifest_sha256"]:
                found.append(f"{MANIFEST_FILE}: is not the one that was registered")
            if manifest.get("drop_id") != row["drop_id"]:
                found.append(f"{MANIFEST_FILE}: is another drop's")
            files += len(manifest["files"])
        except (DropInvalid, KeyError) as error:
            found = [str(error)]
        problems += [f"{row['drop_id']}: {problem}" for problem in found]
        progress(done, rows.height)
    chained = rows.filter(rows["sequence"].is_not_null()).sort("sequence")
    return Verification(
        drops=rows.height,
        files=files,
        unchained=rows.height - chained.height,
        head=chained["row_sha256"][-1] if chained.height else "",
        problems=problems,
    )
