"""Manifests: what a drop holds, what it was made from, and the checksum of every file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.errors import DropInvalid

MANIFEST_FILE: Final = "manifest.json"
SUMS_FILE: Final = "SHA256SUMS"
FORMAT_VERSION: Final = 2
"""Layout of a drop's folder. 2: files for SFT and prompts, OpenAI's files by kind, and a provenance
that names the row of every file."""


def sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stable_hash(value: Any) -> str:
    """SHA-256 of a JSON-like value, keys sorted, hex."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def file_entry(folder: Path, name: str, rows: int | None = None) -> dict[str, Any]:
    """What a manifest says of a file: SHA-256, bytes, and rows where it has any (documents do not)."""
    path = folder / name
    entry: dict[str, Any] = {"sha256": sha256(path), "bytes": path.stat().st_size}
    return entry if rows is None else {**entry, "rows": rows}


def write_manifest(
    folder: Path, content: dict[str, Any], files: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Write `manifest.json` and `SHA256SUMS` of the files in a folder; returns the manifest.

    `files` are their entries (`file_entry`) by name. `SHA256SUMS` covers the manifest too and can be checked
    with ``sha256sum -c``.
    """
    manifest = {"format_version": FORMAT_VERSION, **content, "files": dict(sorted(files.items()))}
    encoded = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2)
    (folder / MANIFEST_FILE).write_bytes(encoded + b"\n")
    sums = {name: entry["sha256"] for name, entry in files.items()}
    sums[MANIFEST_FILE] = sha256(folder / MANIFEST_FILE)
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
    (folder / SUMS_FILE).write_text("".join(lines))
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a drop's folder. Raises `DropInvalid` when there is none or it is not JSON."""
    try:
        return msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        raise DropInvalid(
            f"{folder} holds no {MANIFEST_FILE}", hint="Give the folder of a drop, e.g. drops/<drop id>."
        ) from None
    except (msgspec.DecodeError, OSError) as error:
        raise DropInvalid(
            f"{MANIFEST_FILE} of {folder.name} cannot be read: {error}",
            hint="Restore the folder from a copy, or with `tailrace drops rebuild --restore`.",
        ) from None


def verify(folder: Path) -> list[str]:
    """Check every byte of a drop; returns one line per problem, each starting with the file's name."""
    if not folder.is_dir():
        raise DropInvalid(
            f"{folder} is not a folder", hint="Give the folder of a drop, e.g. drops/<drop id>."
        )
    problems: list[str] = []
    sums = _read_sums(folder, problems)
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    for name, digest in sorted(sums.items()):
        if name not in present:
            problems.append(f"{name}: missing")
        elif sha256(folder / name) != digest:
            problems.append(f"{name}: its bytes changed")
    problems.extend(f"{name}: not part of the drop" for name in sorted(present - set(sums) - {SUMS_FILE}))
    if problems:
        return problems
    listed = {name: entry["sha256"] for name, entry in read_manifest(folder)["files"].items()}
    listed[MANIFEST_FILE] = sums.get(MANIFEST_FILE)
    if listed != sums:
        problems.append(f"{SUMS_FILE}: does not list the files of the manifest")
    return problems


def read_sums(path: Path) -> dict[str, str] | None:
    """SHA-256 by file from a list as `sha256sum` writes it; None when it is none or cannot be read."""
    sums: dict[str, str] = {}
    try:
        for line in path.read_text().splitlines():
            digest, separator, name = line.partition("  ")
            if len(digest) != 64 or not separator or not name:
                return None
            sums[name] = digest
    except (ValueError, OSError):
        return None
    return sums


def _read_sums(folder: Path, problems: list[str]) -> dict[str, str]:
    """Checksums as listed; a damaged list is a problem, and the manifest's own list stands in for it."""
    sums = read_sums(folder / SUMS_FILE)
    if sums is None:
        there = (folder / SUMS_FILE).exists()
        problems.append(f"{SUMS_FILE}: {'its bytes changed' if there else 'missing'}")
        files = read_manifest(folder)["files"]
        return {name: entry["sha256"] for name, entry in files.items()} | {
            MANIFEST_FILE: sha256(folder / MANIFEST_FILE)
        }
    return sums
