"""Batches that are out, remembered on disk so that a run after a kill finds them and pays nothing twice."""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import LakeNotWritable
from curation.judge.transport import Dialect

KEEP_DELIVERED_SECONDS: Final = 7 * 86_400
"""A kill may come before delivered answers are stored, so they can be fetched again for a week."""
KEEP_SECONDS: Final = 29 * 86_400
"""OpenAI keeps the files of a batch for 30 days."""

_LOCK: Final = ".lock"


class BatchRecord(msgspec.Struct, kw_only=True):
    """One batch: who was asked what (hashes only), and how to find it at the endpoint.

    `marker` is written before anything is sent and travels in the batch's metadata: a batch whose creation
    was not heard of is found by it. `requests` are custom ids whose answers are not known to be stored.
    Times are epoch seconds.
    """

    marker: str
    base_url: str
    model: str
    requests: list[str]
    dialect: Dialect
    created_at: float
    input_file_id: str | None = None
    batch_id: str | None = None
    file_ids: list[str] = msgspec.field(default_factory=list)
    delivered_at: float | None = None


class BatchMemory:
    """The folder of records; one small JSON file per batch, replaced whole."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self.clock = clock

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time finds out what is out already and submits the rest."""
        with self._folder_there():
            file = (self._folder / _LOCK).open("w")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def records(self, base_url: str) -> list[BatchRecord]:
        """The batches out at an endpoint, oldest first; a file that cannot be read is no record."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                record = msgspec.json.decode(path.read_bytes(), type=BatchRecord)
            except (OSError, msgspec.DecodeError):
                continue
            if record.base_url == base_url:
                found.append(record)
        return sorted(found, key=lambda r: (r.created_at, r.marker))

    def remember(self, record: BatchRecord) -> None:
        """Write a record; it is on disk, whole, when this returns."""
        path = self._path(record)
        beside = path.with_suffix(".tmp")
        with self._folder_there():
            with beside.open("wb") as file:
                file.write(msgspec.json.encode(record))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)

    def forget(self, record: BatchRecord) -> None:
        """The batch is of no more use."""
        self._path(record).unlink(missing_ok=True)

    def outlived(self, record: BatchRecord) -> bool:
        """Whether a batch was delivered long ago, or is too old for its files to be there."""
        now = self.clock()
        delivered = record.delivered_at
        return now - record.created_at > KEEP_SECONDS or (
            delivered is not None and now - delivered > KEEP_DELIVERED_SECONDS
        )

    @contextmanager
    def _folder_there(self) -> Iterator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise LakeNotWritable(
                f"the folder {self._folder} cannot be written: {error.strerror}",
                hint="Batches are remembered there. Choose another --home or correct its permissions.",
            ) from None

    def _path(self, record: BatchRecord) -> Path:
        return self._folder / f"{record.marker}.json"


def new_marker() -> str:
    """A name for a batch that is about to be made."""
    return uuid.uuid4().hex
