"""Putting a rebuilt drop back where the published one was lost or damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contracts.errors import DropInvalid, LakeNotWritable
from curation.rebuild.run import Rebuilt
from sinks.drops.lock import exclusive
from sinks.drops.manifest import MANIFEST_FILE, sha256, verify
from sinks.drops.staging import STAGING


def restore(
    drops_root: Path,
    row: Mapping[str, Any],
    rebuilt: Rebuilt,
    *,
    step: Callable[[str], None] = lambda _: None,
) -> bool:
    """Put a rebuilt drop back into its published place; False when the published one is intact.

    In this order: copy beside the place, check every byte of the copy, move a damaged folder aside, move the
    copy into place, delete what was moved aside. So the place holds the old folder, none, or the whole new
    one; after a kill the same command goes on. The registry, tables and `LATEST` are not touched. Raises
    `DropInvalid` unless every byte is that of the registered drop.
    """
    if rebuilt.published == "intact":
        return False
    if not rebuilt.identical:
        raise DropInvalid(
            f"drop {rebuilt.drop_id} is not restored: the rebuilt one is not the same, byte for byte",
            hint="Restore it from a copy.",
        )
    final = drops_root / str(row["path"])
    copy, aside = drops_root / f"{STAGING}{final.name}", drops_root / f"{STAGING}{final.name}.damaged"
    with exclusive(drops_root):
        try:
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(rebuilt.folder, copy)
            step("copied")
            _check(copy, str(row["manifest_sha256"]), rebuilt.drop_id)
            if final.exists():
                shutil.rmtree(aside, ignore_errors=True)
                final.rename(aside)
                step("aside")
            copy.rename(final)
            step("moved")
            shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise LakeNotWritable(
                f"the drops folder {drops_root} cannot be written: {error.strerror}",
                hint="Correct its permissions, and run it again.",
            ) from None
    return True


def _check(copy: Path, registered: str, drop_id: str) -> None:
    problems = verify(copy)
    if sha256(copy / MANIFEST_FILE) != registered:
        problems.append(f"{MANIFEST_FILE}: is not the one that was registered")
    if problems:
        raise DropInvalid(
            f"drop {drop_id} is not restored: the copy is broken: {'; '.join(problems)}",
            hint="Check the disk, and run it again.",
        )
