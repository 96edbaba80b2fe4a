"""A folder that drops are pushed to: on another disk, or mounted from elsewhere."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from contracts.errors import PushRefused, PushUnavailable
from sinks.push.parcel import Piece, chunks_of, sha256_of
from sinks.push.target import Sent

UNFINISHED: Final = ".tailrace-push-"
"""Beginning of the names of files that are not whole yet."""

_PASSING: Final = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.EBUSY, errno.ENOTCONN}
)
"""What a network file system says while it is away."""


class Folder:
    """Files of a folder. Each appears whole, on disk, under a name nothing had."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.name = str(root)

    @contextmanager
    def alone(self, folder: str) -> Iterator[None]:
        """Hold a lock on the drop's folder, where the file system has locks; sweep up what killed pushes
        left. The lock goes with its process."""
        with self._translated():
            place = self._root / folder
            place.mkdir(parents=True, exist_ok=True)
            handle = os.open(place, os.O_RDONLY)
        try:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
                for path in place.rglob(f"{UNFINISHED}*"):
                    path.unlink(missing_ok=True)
            yield
        finally:
            os.close(handle)

    def listing(self, folder: str) -> dict[str, int]:
        """Files below a folder and their sizes."""
        place = self._root / folder
        with self._translated():
            if place.exists() and not place.is_dir():
                raise PushRefused(f"{place} is not a folder", hint="Remove it, or push elsewhere.")
            files = [path for path in place.rglob("*") if not path.is_dir()]
            return {
                path.relative_to(place).as_posix(): path.stat().st_size
                for path in files
                if not path.name.startswith(UNFINISHED)
            }

    def holds(self, name: str, piece: Piece) -> bool:
        """Read the file and hash it."""
        with self._translated():
            return sha256_of(chunks_of(self._root / name)) == piece.sha256

    def put(self, name: str, piece: Piece, sent: Sent) -> bool:
        """Write beside, to the disk, then give it its name."""
        final = self._root / name
        beside = final.with_name(f"{UNFINISHED}{os.getpid()}-{final.name}")
        with self._translated():
            try:
                final.parent.mkdir(parents=True, exist_ok=True)
                with beside.open("wb") as file:
                    for chunk in chunks_of(piece.path):
                        file.write(chunk)
                        sent(len(chunk))
                    file.flush()
                    os.fsync(file.fileno())
                new = _named(beside, final)
                _to_disk(final.parent)
            finally:
                beside.unlink(missing_ok=True)
        return new

    def read(self, name: str) -> tuple[bytes, Any] | None:
        """A small file; its bytes are its version."""
        with self._translated():
            try:
                data = (self._root / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return data, data

    def swap(self, name: str, data: bytes, version: Any) -> bool:
        """Replace a file under a lock on the folder."""
        with self._translated():
            handle = os.open(self._root, os.O_RDONLY)
            beside = self._root / f"{UNFINISHED}{os.getpid()}-{name}"
            try:
                with suppress(OSError):
                    fcntl.flock(handle, fcntl.LOCK_EX)
                held = self.read(name)
                if (None if held is None else held[1]) != version:
                    return False
                with beside.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(self._root / name)
                os.fsync(handle)
            finally:
                beside.unlink(missing_ok=True)
                os.close(handle)
        return True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            if error.errno in _PASSING:
                raise PushUnavailable(f"{self.name}: {reason}", hint="Push again when it is back.") from None
            raise PushRefused(
                f"{self.name} cannot be written: {reason}", hint="Check the path, its permissions and space."
            ) from None


def _named(beside: Path, final: Path) -> bool:
    """Give a file its name unless something has it; whether it got it."""
    try:
        os.link(beside, final)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without links: two pushes at once write the same bytes at worst.
        if final.exists():
            return False
        beside.replace(final)
    return True


def _to_disk(folder: Path) -> None:
    """Let a folder's new names survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
