"""Texts of open windows, kept out of the rows that wait: in memory up to a limit, beyond it on disk.

A scratch file, not a store: it is deleted as soon as it is opened, and what it held is read again from
Kafka after a restart. Rows refer to their text by number (segment and row in one integer), so texts of
rows that are never compared are never touched again.
"""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

log = logging.getLogger("tailrace.join")

FILE_BYTES: Final = 256 << 20
"""A scratch file is let go when everything in it is old; smaller files go sooner."""
DENSE: Final = 4
"""A range is read at once when at most so many times the wanted bytes."""

_ROW_BITS: Final = 32
_ROW_MASK: Final = (1 << _ROW_BITS) - 1


class _Scratch:
    """One deleted temporary file with the texts of several segments."""

    def __init__(self, folder: Path | None) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder, prefix="tailrace-texts-", buffering=0)  # noqa: SIM115
        self.size = 0
        self.segments = 0

    def append(self, data: memoryview) -> int:
        """Write bytes; returns where they begin."""
        start, written = self.size, 0
        while written < len(data):
            written += os.pwrite(self._file.fileno(), data[written:], start + written)
        self.size += written
        self.segments += 1
        return start

    def read(self, start: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, start)

    def let_go(self) -> None:
        """One segment less; the last one closes the file."""
        self.segments -= 1
        if self.segments == 0:
            self._file.close()


@dataclass(slots=True)
class _Segment:
    """Texts of one `put`: byte `offsets` of its rows, and the bytes themselves or where they lie."""

    offsets: npt.NDArray[np.int64]
    data: pa.Buffer | None
    scratch: _Scratch | None = None
    start: int = 0

    @property
    def size(self) -> int:
        return int(self.offsets[-1] - self.offsets[0])

    def texts(self, rows: npt.NDArray[np.int64]) -> list[str]:
        first, last = self.offsets[rows], self.offsets[rows + 1]
        base = 0
        if self.scratch is None:
            whole: Any = memoryview(self.data) if self.data is not None else b""
        else:
            low, high = int(first.min()), int(last.max())
            if high - low > DENSE * int((last - first).sum()):
                return [
                    str(self.scratch.read(self.start + a, b - a), "utf-8")
                    for a, b in zip(first.tolist(), last.tolist(), strict=True)
                ]
            whole, base = memoryview(self.scratch.read(self.start + low, high - low)), low
        return [
            str(whole[a - base : b - base], "utf-8")
            for a, b in zip(first.tolist(), last.tolist(), strict=True)
        ]


class TextStore:
    """Texts by number. Not thread-safe."""

    def __init__(self, *, memory_bytes: int, folder: Path | None = None) -> None:
        """`folder`: where scratch files go, the system's temporary folder by default."""
        self._limit = memory_bytes
        self._folder = folder
        self._segments: dict[int, _Segment] = {}
        self._next = 0
        self._file: _Scratch | None = None
        self._warned = False
        self.memory_bytes = 0

    def __len__(self) -> int:
        """Segments held."""
        return len(self._segments)

    @property
    def spilled_bytes(self) -> int:
        """Bytes of texts on disk."""
        return sum(s.size for s in self._segments.values() if s.scratch is not None)

    def put(self, texts: pl.Series) -> pl.Series:
        """Take texts in; returns their numbers (Int64), null where the text is."""
        given = pl.select(
            pl.when(texts.is_not_null())
            .then(pl.int_range(texts.len(), dtype=pl.Int64) + (self._next << _ROW_BITS))
            .alias(texts.name)
        ).to_series()
        if texts.null_count() == texts.len():
            return given
        array = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
        _, offsets, data = array.buffers()
        bounds = np.frombuffer(offsets, dtype=np.int64, count=len(array) + 1, offset=array.offset * 8)
        self._segments[self._next] = self._placed(_Segment(bounds, data))
        self._next += 1
        return given

    def _placed(self, segment: _Segment) -> _Segment:
        if self.memory_bytes + segment.size > self._limit and segment.data is not None:
            try:
                return self._spilled(segment, memoryview(segment.data))
            except OSError as error:
                if not self._warned:
                    log.warning("texts of open windows stay in memory, no scratch file: %s", error.strerror)
                self._warned = True
        self.memory_bytes += segment.size
        return segment

    def _spilled(self, segment: _Segment, data: memoryview) -> _Segment:
        if self._file is None or self._file.size >= FILE_BYTES or not self._file.segments:
            self._file = _Scratch(self._folder)
        low = int(segment.offsets[0])
        start = self._file.append(data[low : low + segment.size])
        return _Segment(segment.offsets - low, None, self._file, start)

    def get(self, numbers: pl.Series) -> pl.Series:
        """Texts of these numbers, null where the number is."""
        wanted = numbers.drop_nulls().to_numpy()
        texts: list[str | None] = [None] * numbers.len()
        at = numbers.is_not_null().arg_true().to_numpy()
        segments = wanted >> _ROW_BITS
        for segment in np.unique(segments):
            mine = segments == segment
            found = self._segments[int(segment)].texts(wanted[mine] & _ROW_MASK)
            for i, text in zip(at[mine].tolist(), found, strict=True):
                texts[i] = text
        return pl.Series(numbers.name, texts, dtype=pl.String)

    def keep_from(self, number: int | None) -> None:
        """Let everything before this number go; None: everything."""
        oldest = self._next if number is None else number >> _ROW_BITS
        for key in [key for key in self._segments if key < oldest]:
            segment = self._segments.pop(key)
            if segment.scratch is None:
                self.memory_bytes -= segment.size
            else:
                segment.scratch.let_go()
