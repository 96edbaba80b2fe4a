"""What is pushed: a published drop, every byte of it checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from contracts.errors import DropInvalid
from sinks.drops.manifest import MANIFEST_FILE, SUMS_FILE, read_manifest, sha256, verify

_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Piece:
    """One file of a drop; `name` is its path within the drop."""

    name: str
    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Parcel:
    """A drop to be sent: its files in the order they go. The manifest is last: a copy with it is whole."""

    drop_id: str
    channel: str
    as_of: datetime
    manifest_sha256: str
    pieces: tuple[Piece, ...]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(piece.bytes for piece in self.pieces)


def pack(drops_root: Path, row: Mapping[str, Any]) -> Parcel:
    """The parcel of a drop by its registry row. Raises `DropInvalid` when a byte of it changed."""
    folder = drops_root / row["path"]
    problems = verify(folder)
    if not problems and sha256(folder / MANIFEST_FILE) != row["manifest_sha256"]:
        problems = [f"{MANIFEST_FILE}: is not the one that was registered"]
    if problems:
        raise DropInvalid(
            f"drop {row['drop_id']} is damaged and not pushed: {'; '.join(problems)}",
            hint="Restore the folder from a copy, or `tailrace drops rebuild` it.",
        )
    hashes = {name: entry["sha256"] for name, entry in sorted(read_manifest(folder)["files"].items())}
    hashes[SUMS_FILE] = sha256(folder / SUMS_FILE)
    hashes[MANIFEST_FILE] = row["manifest_sha256"]
    pieces = [
        Piece(name, folder / name, (folder / name).stat().st_size, digest) for name, digest in hashes.items()
    ]
    return Parcel(row["drop_id"], row["channel"], row["as_of"], row["manifest_sha256"], tuple(pieces))


def sha256_of(chunks: Iterable[bytes]) -> str:
    """SHA-256 over chunks of bytes, hex."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def chunks_of(path: Path, size: int = _CHUNK) -> Iterator[bytes]:
    """The bytes of a file, piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(size):
            yield chunk
