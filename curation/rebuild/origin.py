"""Where the recipe and the manifest of a published drop come from, and what state its folder is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from contracts.errors import DropInvalid
from sinks.drops.manifest import MANIFEST_FILE, SUMS_FILE, read_manifest, read_sums, sha256, verify
from sinks.drops.recipe import Recipe, decode, drop_id_of, from_manifest

State = Literal["intact", "damaged", "gone"]


@dataclass(frozen=True)
class Published:
    """A drop as it lies in its folder.

    manifest: the registered one, None when it is gone or is another. sums: SHA-256 by file, as far as known:
    from that manifest, or from a list of checksums that names the registered manifest. damage: what is wrong
    with the folder, a line each.
    """

    state: State
    manifest: dict[str, Any] | None
    sums: dict[str, str]
    damage: tuple[str, ...] = ()


def look_at(folder: Path, registered: str, sums_file: Path | None = None) -> Published:
    """What is left of a drop. registered: SHA-256 of its manifest. sums_file: a copy of its `SHA256SUMS`."""
    manifest = _manifest(folder, registered)
    sums: dict[str, str] = {}
    if manifest is not None:
        sums = {name: str(entry["sha256"]) for name, entry in manifest["files"].items()}
        sums[MANIFEST_FILE] = registered
    elif sums_file is not None:
        sums = _sums(sums_file, registered)
    if not folder.is_dir():
        return Published("gone", None, sums)
    try:
        damage = verify(folder)
    except DropInvalid as error:
        damage = [str(error)]
    if manifest is None and not any(line.startswith(MANIFEST_FILE) for line in damage):
        damage.append(f"{MANIFEST_FILE}: is not the one that was registered")
    return Published("damaged" if damage else "intact", manifest, sums, tuple(damage))


def recipe_of(row: Mapping[str, Any], manifest: Mapping[str, Any] | None) -> tuple[Recipe | None, list[str]]:
    """The recipe of a registered drop and what is wrong with it: from its row, else from its manifest."""
    problems = []
    if row["recipe"]:
        try:
            recipe = decode(row["recipe"])
        except msgspec.DecodeError as error:
            problems.append(f"its recipe in the registry cannot be read: {error}")
        else:
            if drop_id_of(recipe.about) == row["drop_id"]:
                return recipe, []
            problems.append("its recipe in the registry was changed: the drop's id is not its hash")
    if manifest is not None:
        return from_manifest(manifest), []
    if not row["recipe"]:
        problems.append("its manifest is gone, and its registry row, of an older release, has no recipe")
    return None, problems


def _manifest(folder: Path, registered: str) -> dict[str, Any] | None:
    path = folder / MANIFEST_FILE
    if not path.is_file() or sha256(path) != registered:
        return None
    return read_manifest(folder)


def _sums(path: Path, registered: str) -> dict[str, str]:
    """Checksums by file from a list. Raises `DropInvalid` when it is none, or another drop's."""
    sums = read_sums(path)
    if sums is None:
        raise DropInvalid(f"{path} is no list of checksums", hint=f"Give the {SUMS_FILE} of the drop.")
    if sums.get(MANIFEST_FILE) != registered:
        raise DropInvalid(
            f"{path} is of another drop: it does not name the registered {MANIFEST_FILE}",
            hint=f"Give the {SUMS_FILE} of this drop, or leave --sums out.",
        )
    return sums
