"""The files of a drop as data sets: one per folder, with its splits and its columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

WHOLE: Final = "full"
"""Split of a file that is not split; `datasets` keeps `all` for itself."""

PARQUET: Final = ".parquet"


@dataclass(frozen=True)
class DataFile:
    """One file of a table: its name in the drop, rows, bytes, SHA-256."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Table:
    """Files that hold rows of one kind. `schema` is that of Parquet files; other files have none."""

    name: str
    files: Mapping[str, DataFile]
    schema: pa.Schema | None

    @property
    def rows(self) -> int:
        """Rows of all splits."""
        return sum(file.rows for file in self.files.values())


def tables_of(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """The tables of a drop, ordered by name; `files` is the manifest's block. Reads footers of Parquet files.

    `preference/train.parquet` is the split `train` of `preference`; one in no folder is a table of its own.
    """
    grouped: dict[str, dict[str, DataFile]] = {}
    for name, entry in sorted(files.items()):
        path = PurePosixPath(name)
        if "rows" not in entry:
            continue
        table, split = (str(path.parent), path.stem) if path.parent.name else (path.stem, WHOLE)
        grouped.setdefault(table, {})[split] = DataFile(name, entry["rows"], entry["bytes"], entry["sha256"])
    return [Table(name, parts, _schema(folder, parts.values())) for name, parts in grouped.items()]


def _schema(folder: Path, files: Iterable[DataFile]) -> pa.Schema | None:
    name = next(iter(files)).name
    return pq.read_schema(folder / name) if name.endswith(PARQUET) else None
