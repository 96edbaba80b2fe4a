"""The journal of paid answers: verdicts a judge has given and `judgments` does not hold yet.

One file per process in a folder, one row of table `judgments` per line (JSON), locked as long as its process
lives. Whoever can take the lock of a file knows that its process is dead, and takes its rows over. A line
survives the death of its process, not that of the machine: it is not synced, as losing it costs the price
of one answer and no data.

Rows hold text derived from users (rationale, improved response): files are readable by their owner only, and
erasing a user must reach this folder as it reaches the table (`adopt` first, then erase there).
"""

from __future__ import annotations

import fcntl
import io
import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import polars as pl

from contracts.errors import TableInvalid
from contracts.tables import frame_schema, validate
from sinks.judgments import TABLE, JudgmentIndex, store_judgments
from sinks.lake import Lake

log = logging.getLogger("tailrace.judge")

FOLDER: Final = "judge"
"""Below the home folder."""

_SUFFIX: Final = ".jsonl"
_UNUSABLE: Final = ".unusable"
_ADOPTING: Final = ".adopting"
_FROM_TEXT: Final = {"judged_at": datetime.fromisoformat, "date": date.fromisoformat}


class JudgeJournal:
    """This process's file, opened at the first row. For one thread at a time.

    The protocol of whoever judges:

    1. `settle`: store what dead processes, or an append that failed before, left behind.
    2. Look up what is known, ask for the rest, `note` every answer as it comes.
    3. Store them in `judgments`.
    4. `clear`.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: shared by all processes that judge for a lake from this machine."""
        self._folder = folder
        self._file: io.FileIO | None = None
        self._path: Path | None = None
        self._rows: list[Mapping[str, Any]] = []
        self._broken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def note(self, row: Mapping[str, Any]) -> None:
        """Keep one row of `judgments`.

        A disk that takes nothing more does not stop the judge: the row is still in memory for `settle`.
        """
        self._rows.append(row)
        if self._broken:
            return
        try:
            _write_line(self._opened(), msgspec.json.encode(row) + b"\n")
        except OSError as error:
            self._broken = True
            log.warning("the journal of paid answers cannot be written: %s", error.strerror)

    def settle(self, lake: Lake, *, index: JudgmentIndex | None = None) -> int:
        """Store what was noted and not cleared, and what dead processes noted; returns how many were new.

        Raises as `store_judgments`; nothing is cleared or deleted then.
        """
        stored = 0
        if self._rows:
            stored += store_judgments(lake, _frame(self._rows), index=index)
            self.clear()
        return stored + adopt(self._folder, lake, index=index)

    def clear(self) -> None:
        """Forget all rows: `judgments` holds them."""
        self._rows = []
        if self._file is not None:
            try:
                self._file.truncate(0)
            except OSError as error:
                # What stays is stored once more by whoever adopts it, which changes nothing.
                log.warning("the journal of paid answers cannot be emptied: %s", error.strerror)

    def close(self) -> None:
        """Let the file go; one without rows is removed, others wait for the next judge."""
        if self._file is None or self._path is None:
            return
        if not self._rows:
            self._path.unlink(missing_ok=True)
        self._file.close()
        self._file = None

    def _opened(self) -> io.FileIO:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
            hidden = self._folder / f".{name}"
            descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            self._file = io.FileIO(descriptor, "r+")
            # Locked before it has the name that others look for.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._path = hidden.rename(self._folder / f"{name}{_SUFFIX}")
        return self._file


def adopt(folder: Path, lake: Lake, *, index: JudgmentIndex | None = None) -> int:
    """Store the rows of dead processes' files, and delete those; returns how many verdicts were new.

    One process at a time: who comes second waits until the verdicts are in the table, or it would ask for
    them again. A last line that was cut off is left out. A file whose rows do not fit the table is renamed
    and kept. Raises as `store_judgments`; the file stays then.
    """
    if not any(folder.glob(f"*{_SUFFIX}")):
        return 0
    with (folder / _ADOPTING).open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        return sum(_adopt(path, lake, index) for path in sorted(folder.glob(f"*{_SUFFIX}")))


def _adopt(path: Path, lake: Lake, index: JudgmentIndex | None) -> int:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return 0  # its owner is done with it
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        stored = 0
        try:
            rows = _read(file.read())
            if rows:
                stored = store_judgments(lake, _frame(rows), index=index)
        except TableInvalid as error:
            kept = path.rename(path.with_suffix(_UNUSABLE))
            log.error("a journal of paid answers is kept as %s: %s", kept.name, error)
            return 0
        path.unlink()
    if stored:
        log.info("%d paid verdicts of a judge that died were stored", stored)
    return stored


def _read(content: bytes) -> list[dict[str, Any]]:
    """The rows in a file; what is no whole row was never acknowledged to anybody."""
    rows = []
    for line in content.splitlines():
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as a frame of the table; raises `TableInvalid`."""
    try:
        frame = pl.DataFrame(
            [_row(row) for row in rows], schema=frame_schema(TABLE), infer_schema_length=None
        )
    except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
        raise TableInvalid(f"{TABLE}: rows of another shape: {type(error).__name__}") from None
    return validate(TABLE, frame)


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the columns of this release; moments and days were written as text."""
    known = {name: row.get(name) for name in frame_schema(TABLE)}
    return {k: _FROM_TEXT[k](v) if k in _FROM_TEXT and isinstance(v, str) else v for k, v in known.items()}


def _write_line(file: io.FileIO, line: bytes) -> None:
    """Write a line whole or not at all."""
    before = os.fstat(file.fileno()).st_size
    try:
        written = file.write(line)
        if written != len(line):
            raise OSError(None, "no space left for a whole line")
    except OSError:
        os.ftruncate(file.fileno(), before)
        raise
