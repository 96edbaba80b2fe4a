"""Staging a drop: every file written and checked where nobody looks yet."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from contracts.errors import DropInvalid, LakeNotWritable
from sinks.drops.checks import Check, check_files
from sinks.drops.documents import write_documents
from sinks.drops.formats import write_files
from sinks.drops.manifest import file_entry, verify, write_manifest

STAGING: Final = ".staging-"


@dataclass(frozen=True)
class Staged:
    """A drop that is ready to be published: its folder, its manifest, and what was asserted of its files."""

    folder: Path
    manifest: dict[str, Any]
    checks: tuple[Check, ...]


def stage(drops_root: Path, drop_id: str, rows: pl.DataFrame, content: Mapping[str, Any]) -> Staged:
    """Write a drop's files and manifest into a staging folder and verify them.

    Raises `LakeNotWritable` when the folder cannot be written, `DropInvalid` when what was written is not
    what was meant or no trainer should read it (`checks.ChecksFailed`); nothing stays staged then.
    """
    folder = drops_root / f"{STAGING}{drop_id}"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        written = write_files(folder, rows)
        checked = check_files(folder, written.rows)
        about = {**content, "left_out": written.left_out, "tokens": checked.tokens}
        files = {name: file_entry(folder, name, count) for name, count in written.rows.items()}
        documents = write_documents(folder, {**about, "files": files}, rows, checked.checks)
        files |= {name: file_entry(folder, name) for name in documents}
        manifest = write_manifest(folder, about, files)
    except DropInvalid:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except OSError as error:
        raise LakeNotWritable(
            f"the drops folder {drops_root} cannot be written: {error.strerror}",
            hint="Choose another --home (or TAILRACE_LAKE__DROPS_ROOT) or correct its permissions.",
        ) from None
    if problems := verify(folder):
        raise DropInvalid(f"the staged drop is broken: {'; '.join(problems)}", hint="Check the disk.")
    intact = Check("files_as_written", success=True, expected="0 files changed", actual="0 files changed")
    return Staged(folder, manifest, (*checked.checks, intact))
