"""Texts of open windows, kept out of the rows that wait: in memory up to a limit, beyond it on disk.

A scratch file, not a store: it is deleted as soon as it is opened, and what it held is read again from
Kafka after a restart. Rows refer to their text by number (segment and row in one integer), so texts of
rows that are never compared are never touched again.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import IO, Final

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


class _Held:
    """Texts of one `put`, in memory: the column as it came, nothing is copied."""

    def __init__(self, texts: pl.Series) -> None:
        self._texts = texts
        self.size = _bytes(texts)
        self.on_disk = False

    def texts(self, rows: npt.NDArray[np.int64]) -> pl.Series:
        return self._texts.gather(rows)

    def let_go(self) -> None:
        """Nothing to do: the column goes with this object."""


class _Spilled:
    """Texts of one `put`, on disk: where each one begins and ends."""

    def __init__(self, texts: pl.Series, scratch: _Scratch) -> None:
        array = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
        _, offsets, data = array.buffers()
        bounds = np.frombuffer(offsets, dtype=np.int64, count=len(array) + 1, offset=array.offset * 8)
        low, high = int(bounds[0]), int(bounds[-1])
        self._offsets = bounds - low
        self.size = high - low
        self.on_disk = True
        self._scratch = scratch
        self._start = scratch.append(memoryview(data)[low:high])

    def texts(self, rows: npt.NDArray[np.int64]) -> pl.Series:
        low, high = int(rows.min()), int(rows.max()) + 1
        bounds = self._offsets[low : high + 1]
        lengths = self._offsets[rows + 1] - self._offsets[rows]
        if int(bounds[-1] - bounds[0]) <= DENSE * int(lengths.sum()):
            return _texts(bounds - bounds[0], self._read(bounds[0], bounds[-1])).gather(rows - low)
        parts = map(self._read, self._offsets[rows].tolist(), self._offsets[rows + 1].tolist())
        return _texts(np.concatenate([[0], np.cumsum(lengths)]), b"".join(parts))

    def _read(self, start: int, end: int) -> bytes:
        return self._scratch.read(self._start + int(start), int(end - start))

    def let_go(self) -> None:
        self._scratch.let_go()


def _texts(bounds: npt.NDArray[np.int64], data: bytes) -> pl.Series:
    """Texts that lie one after another in `data`; `bounds` are where they begin, and where the last ends."""
    array = pa.LargeStringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(data))
    return pl.Series(pl.from_arrow(array))


def _bytes(texts: pl.Series) -> int:
    return int(texts.str.len_bytes().sum())


class TextStore:
    """Texts by number. Not thread-safe."""

    def __init__(self, *, memory_bytes: int, folder: Path | None = None) -> None:
        """`folder`: where scratch files go, the system's temporary folder by default."""
        self._limit = memory_bytes
        self._folder = folder
        self._segments: dict[int, _Held | _Spilled] = {}
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
        return sum(s.size for s in self._segments.values() if s.on_disk)

    def put(self, texts: pl.Series) -> pl.Series:
        """Take texts in; returns their numbers (Int64), null where the text is."""
        given = pl.select(
            pl.when(texts.is_not_null())
            .then(pl.int_range(texts.len(), dtype=pl.Int64) + (self._next << _ROW_BITS))
            .alias(texts.name)
        ).to_series()
        if texts.null_count() == texts.len():
            return given
        segment = self._segments[self._next] = self._placed(texts)
        self._next += 1
        if not segment.on_disk:
            self.memory_bytes += segment.size
        return given

    def _placed(self, texts: pl.Series) -> _Held | _Spilled:
        held = _Held(texts)
        if self.memory_bytes + held.size <= self._limit or held.size == 0:
            return held
        try:
            if self._file is None or self._file.size >= FILE_BYTES or not self._file.segments:
                self._file = _Scratch(self._folder)
            return _Spilled(texts, self._file)
        except OSError as error:
            if not self._warned:
                log.warning("texts of open windows stay in memory, no scratch file: %s", error.strerror)
            self._warned = True
            return held

    def get(self, numbers: pl.Series) -> pl.Series:
        """Texts of these numbers, null where the number is."""
        given = numbers.drop_nulls().to_numpy()
        if not given.size:
            return pl.Series(numbers.name, [None], dtype=pl.String).new_from_index(0, numbers.len())
        order = np.argsort(given, kind="stable")
        ordered = given[order]
        segments, starts = np.unique(ordered >> _ROW_BITS, return_index=True)
        ends = [*starts[1:].tolist(), len(ordered)]
        found = pl.concat(
            self._segments[segment].texts(ordered[start:end] & _ROW_MASK)
            for segment, start, end in zip(segments.tolist(), starts.tolist(), ends, strict=True)
        )
        # Where each wanted text lies in what was found; null keeps its place.
        position = np.empty(len(given), dtype=np.uint32)
        position[order] = np.arange(len(given), dtype=np.uint32)
        if len(given) == numbers.len():
            return found.gather(position).alias(numbers.name)
        at = pl.Series([None], dtype=pl.UInt32).new_from_index(0, numbers.len())
        at = at.scatter(numbers.is_not_null().arg_true(), pl.Series(position))
        return found.gather(at).alias(numbers.name)

    def keep_from(self, number: int | None) -> None:
        """Let everything before this number go; None: everything."""
        oldest = self._next if number is None else number >> _ROW_BITS
        for key in [key for key in self._segments if key < oldest]:
            segment = self._segments.pop(key)
            segment.let_go()
            if not segment.on_disk:
                self.memory_bytes -= segment.size
