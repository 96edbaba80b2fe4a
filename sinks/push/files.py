"""Pushing to a place that holds files by name: `<drop id>/…`, and `LATEST` per channel beside them.

The layout is that of the drops folder, so a copy is read and verified like the original.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from contracts.errors import PushRefused, PushUnavailable
from sinks.drops.manifest import MANIFEST_FILE
from sinks.drops.publish import latest_name
from sinks.push.parcel import Parcel, Piece
from sinks.push.target import Look, Options, Receipt, Sent

MOST_SWAPS: Final = 20
"""Other pushes that may move the pointer first before this gives up."""


class FileStore(Protocol):
    """Files by name. Raises `PushUnavailable` and `PushRefused`."""

    name: str

    def alone(self, folder: str) -> AbstractContextManager[None]:
        """Keep other pushes of the same drop waiting, where the store can."""

    def listing(self, folder: str) -> dict[str, int]:
        """Files below a folder, by the rest of their names, with their sizes."""

    def holds(self, name: str, piece: Piece) -> bool:
        """Whether the bytes under a name are those of a file."""

    def put(self, name: str, piece: Piece, sent: Sent) -> bool:
        """Store a file; false when something is there under this name, which is left alone."""

    def read(self, name: str) -> tuple[bytes, Any] | None:
        """A small file and its version; None when it is not there."""

    def swap(self, name: str, data: bytes, version: Any) -> bool:
        """Replace a small file of a version (None: not there); false when it is of another one by now."""


class FileTarget:
    """A folder or an object store as destination."""

    def __init__(self, store: FileStore, options: Options) -> None:
        self._store = store
        self._options = options
        self.name = store.name

    def look(self, parcel: Parcel) -> Look:
        """Compare what is there with every file: size first, then content."""
        there = self._store.listing(parcel.drop_id)
        pieces = {piece.name: piece for piece in parcel.pieces}
        others = sorted(set(there) - set(pieces))
        kept, missing = [], []
        for name, piece in pieces.items():
            if name not in there:
                missing.append(piece)
            elif there[name] == piece.bytes and self._store.holds(f"{parcel.drop_id}/{name}", piece):
                kept.append(piece)
            else:
                others.append(name)
        return Look(tuple(kept), tuple(missing), tuple(others), whole=not missing)

    def send(self, parcel: Parcel, look: Look) -> Receipt:
        """File by file, the manifest last."""
        sent: list[Piece] = []
        kept: list[Piece] = []
        with self._store.alone(parcel.drop_id):
            there = self._store.listing(parcel.drop_id)  # another push may have gone on meanwhile
            for piece in look.missing:
                name = f"{parcel.drop_id}/{piece.name}"
                new = piece.name not in there and self._store.put(name, piece, self._options.sent)
                (sent if new else kept).append(piece)
                if not self._store.holds(name, piece):
                    raise PushRefused(
                        f"{self.name}/{name} does not hold what was sent",
                        hint="Remove that file there and push again; if it happens twice, check the store.",
                    )
        return Receipt(tuple(sent), tuple(kept))

    def point(self, parcel: Parcel) -> bool:
        """Move `LATEST` of the channel, and only forward."""
        name, wanted = latest_name(parcel.channel), f"{parcel.drop_id}\n".encode()
        for _ in range(MOST_SWAPS):
            held = self._store.read(name)
            if held is not None and (held[0] == wanted or self._is_later(held[0], parcel.as_of)):
                return False
            if self._store.swap(name, wanted, None if held is None else held[1]):
                return True
        raise PushUnavailable(f"{self.name}/{name} keeps being moved by others", hint="Push again.")

    def _is_later(self, pointer: bytes, as_of: datetime) -> bool:
        """Whether the drop that a pointer names is there and holds what was known at a later time."""
        try:
            held = self._store.read(f"{pointer.decode().strip()}/{MANIFEST_FILE}")
            return held is not None and as_of_manifest(held[0]) > as_of
        except (ValueError, KeyError, TypeError, msgspec.DecodeError):
            return False


def as_of_manifest(manifest: bytes) -> datetime:
    """The as-of time in a manifest. Raises `ValueError`, `KeyError`, `TypeError`, `msgspec.DecodeError`."""
    moment = datetime.fromisoformat(msgspec.json.decode(manifest, type=dict[str, Any])["as_of"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
