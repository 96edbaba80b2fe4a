"""Reading everything that is left, to the last byte, and looking for a person in it.

This trusts nothing that the removal went by: not the register of columns, not the log of a table, not which
files are live. Every column of every Parquet file is read, and every other file as bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.tables import TABLES
from sinks.erasure.history import bounds_in
from sinks.erasure.needles import Needles
from sinks.erasure.storage import LOG, LocalFiles, TableFiles, as_frame, is_data, table_files
from sinks.lake import Lake

CHUNK: Final = 4 << 20
_OVERLAP: Final = 1 << 10

TOMBSTONES: Final = frozenset({"erasures"})
"""Tables that keep the pseudonym on purpose: it is the tombstone."""


@dataclass
class Scan:
    """What was read, and where the person was found: place → kind of needle → values. Never the needles."""

    files: int = 0
    bytes: int = 0
    found: dict[str, Counter[str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether everything could be read and nothing was found."""
        return not self.found and not self.unreadable

    def note(self, place: str, needles: Needles, hits: dict[str, int]) -> None:
        """Add what was found in a place."""
        for needle, count in hits.items():
            self.found.setdefault(place, Counter())[needles.kind(needle)] += count

    def as_dict(self) -> dict[str, Any]:
        """For the certificate."""
        return {
            "files": self.files,
            "bytes": self.bytes,
            "found": {place: dict(kinds) for place, kinds in sorted(self.found.items())},
            "unreadable": sorted(self.unreadable),
        }


def scan_lake(lake: Lake, needles: Needles, scan: Scan) -> None:
    """Read every file of every table, those of no version included."""
    for name in TABLES:
        if not lake.exists(name):
            continue
        mine = needles
        if name in TOMBSTONES:
            mine = needles.without_kind("user_key")
        _scan_files(table_files(lake, name), f"lake/{name}", mine, scan)


def scan_folder(
    root: Path, label: str, needles: Needles, scan: Scan, *, leave_out: Iterable[Path] = ()
) -> None:
    """Read every file below a folder but for what lies below `leave_out`."""
    if root.is_dir():
        out = [path.resolve() for path in leave_out]
        _scan_files(_Without(root, out), label, needles, scan)


class _Without(LocalFiles):
    """A folder without some of its parts."""

    def __init__(self, root: Path, out: list[Path]) -> None:
        super().__init__(root)
        self._folder, self._out = root.resolve(), out

    def all(self) -> list[Any]:
        return [
            f for f in super().all() if not any((self._folder / f.path).is_relative_to(o) for o in self._out)
        ]


def _scan_files(files: TableFiles, label: str, needles: Needles, scan: Scan) -> None:
    for file in files.all():
        place = f"{label}/{file.path}"
        try:
            if file.path.startswith(LOG):
                found = _in_log(files, file.path, needles)
            elif is_data(file.path):
                found = _in_parquet(files, file.path, needles)
            else:
                found = _in_bytes(files.read(file.path), needles)
        except FileNotFoundError:
            continue
        except (OSError, pa.ArrowException):
            scan.unreadable.append(place)
            continue
        scan.files += 1
        scan.bytes += file.size
        for hits in found:
            scan.note(place, needles, hits)


def _in_parquet(files: TableFiles, path: str, needles: Needles) -> Iterator[dict[str, int]]:
    source = pq.ParquetFile(files.open(path))
    try:
        # Names, key-value metadata and statistics of all columns.
        yield from _in_bytes(str(source.metadata.metadata).encode(), needles)
        for group in range(source.num_row_groups):
            rows = as_frame(source.read_row_group(group))
            for column in rows.columns:
                yield from _in_column(column, rows[column], needles)
    finally:
        source.close()


def _in_column(column: str, values: pl.Series, needles: Needles) -> Iterator[dict[str, int]]:
    for texts in leaves(values):
        yield needles.search(texts)
        yield needles.search_ids(column, texts)


def leaves(values: pl.Series) -> Iterator[pl.Series]:
    """The text in a column, however deep in lists and structs; bytes as text."""
    dtype = values.dtype
    if isinstance(dtype, pl.List | pl.Array):
        yield from leaves(values.explode())
    elif isinstance(dtype, pl.Struct):
        for name in dtype.to_schema():
            yield from leaves(values.struct.field(name))
    elif dtype == pl.Binary:
        yield pl.Series(
            [None if v is None else v.decode("utf-8", "replace") for v in values], dtype=pl.String
        )
    elif dtype in (pl.Categorical, pl.Enum):
        yield values.cast(pl.String)
    elif dtype == pl.String:
        yield values


def _in_bytes(data: bytes, needles: Needles) -> Iterator[dict[str, int]]:
    for start in range(0, max(len(data), 1), CHUNK):
        chunk = data[start : start + CHUNK + _OVERLAP]
        yield needles.search(pl.Series([chunk.decode("utf-8", "replace")], dtype=pl.String))


def _in_log(files: TableFiles, path: str, needles: Needles) -> Iterator[dict[str, int]]:
    """Entries of a table's log; statistics of files, which are columns of ids mostly, value by value."""
    if path.endswith(".parquet"):
        with pq.ParquetFile(files.open(path)) as source:
            entries: list[Any] = source.read().to_pylist()
    elif path.endswith(".json"):
        entries = [msgspec.json.decode(line) for line in files.read(path).splitlines() if line.strip()]
    else:
        yield from _in_bytes(files.read(path), needles)
        return
    for entry in entries:
        stats = []
        for kind in ("add", "remove"):
            action = entry.get(kind)
            if action:
                stats += bounds_in(action.pop("stats", None) or "{}")
        yield from _in_bytes(msgspec.json.encode(entry, enc_hook=str), needles)
        values = pl.Series(stats, dtype=pl.String)
        yield needles.search(values)
        yield needles.search_ids("request_id", values)
