"""Files of a table as they lie in its store: also those that no version of the table knows any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from sinks.lake import Lake

LOG: Final = "_delta_log/"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file: its path below the table, bytes, and when it was written (UTC microseconds)."""

    path: str
    size: int
    written_us: int


class TableFiles(Protocol):
    """The store of one table."""

    def all(self) -> list[StoredFile]:
        """Every file, the log's included."""

    def open(self, path: str) -> Any:
        """A file for reading with pyarrow."""

    def read(self, path: str) -> bytes:
        """A whole file."""

    def write(self, path: str, data: bytes) -> None:
        """Put a file there in one step: readers see the old or the new one."""

    def delete(self, path: str) -> None:
        """Delete a file; one that is gone already is no error."""


class LocalFiles:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def all(self) -> list[StoredFile]:
        """Every file below the folder."""
        found = []
        for path in sorted(p for p in self._root.rglob("*") if p.is_file()):
            about = path.stat()
            name = path.relative_to(self._root).as_posix()
            found.append(StoredFile(name, about.st_size, about.st_mtime_ns // 1_000))
        return found

    def open(self, path: str) -> Any:
        """The path: pyarrow maps it by itself."""
        return str(self._root / path)

    def read(self, path: str) -> bytes:
        """A whole file."""
        return (self._root / path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        """Write beside it and rename."""
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        beside.write_bytes(data)
        beside.replace(target)

    def delete(self, path: str) -> None:
        """Delete a file."""
        (self._root / path).unlink(missing_ok=True)


class ObjectFiles:
    """An object store, through the same handler deltalake uses."""

    def __init__(self, uri: str, options: dict[str, str]) -> None:
        from deltalake._internal import DeltaFileSystemHandler
        from deltalake.fs import DeltaStorageHandler

        self._handler = DeltaFileSystemHandler(uri, options)
        self._store = pa.fs.PyFileSystem(DeltaStorageHandler(uri, options))

    def all(self) -> list[StoredFile]:
        """Every object below the prefix."""
        found = self._store.get_file_info(pa.fs.FileSelector("", recursive=True))
        return [
            StoredFile(info.path, info.size or 0, (info.mtime_ns or 0) // 1_000)
            for info in sorted(found, key=lambda info: info.path)
            if info.type == pa.fs.FileType.File
        ]

    def open(self, path: str) -> Any:
        """An object as a file."""
        return self._store.open_input_file(path)

    def read(self, path: str) -> bytes:
        """A whole object."""
        with self._store.open_input_file(path) as file:
            return bytes(file.read())

    def write(self, path: str, data: bytes) -> None:
        """Put an object: stores show it when it is whole."""
        stream: Any = self._handler.open_output_stream(path, None)
        stream.write(data)
        stream.close()

    def delete(self, path: str) -> None:
        """Delete an object."""
        with suppress(FileNotFoundError):
            self._handler.delete_file(path)


def table_files(lake: Lake, name: str) -> TableFiles:
    """The store of a table."""
    if (folder := lake.folder(name)) is not None:
        return LocalFiles(folder)
    return ObjectFiles(lake.uri(name), lake.options(name))


def is_data(path: str) -> bool:
    """Whether a path below a table is one of its data files, live or not."""
    return path.endswith(".parquet") and not path.startswith(LOG)


def row_groups(files: TableFiles, path: str, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
    """A Parquet file row group by row group, or these columns of it as far as it has them."""
    source = pq.ParquetFile(files.open(path))
    try:
        known = source.schema_arrow.names
        wanted = None if columns is None else [c for c in columns if c in known]
        for group in range(source.num_row_groups):
            yield as_frame(source.read_row_group(group, columns=wanted))
    finally:
        source.close()


def plain(kind: pa.DataType) -> pa.DataType:
    """A type without Arrow's views, which deltalake's writer notes in its files and pyarrow cannot filter."""
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(kind.value_field.with_type(plain(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([each.with_type(plain(each.type)) for each in kind])
    return kind


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """A schema of plain types."""
    return pa.schema([each.with_type(plain(each.type)) for each in schema], schema.metadata)


def as_frame(table: pa.Table) -> pl.DataFrame:
    """An Arrow table as a frame, its height kept even without columns."""
    if not table.num_columns:
        return pl.DataFrame({"": pl.repeat(None, table.num_rows, eager=True)})
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
