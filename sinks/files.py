"""Parquet files of an append, and the Delta actions that add them.

deltalake can write the files itself; polars does it with half the processor time and smaller files
(benchmarks/README.md), so a lake in a folder gets its files this way. The commit is deltalake's either way.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any, Final

import polars as pl
from deltalake.transaction import AddAction

COMPRESSION: Final = "zstd"
LEVEL: Final = 1
"""Higher levels gain a few per cent; compaction writes the files that stay."""

BOUNDED: Final = ("partition", "offset", "occurred_at", "revision")
"""Columns whose smallest and largest value go into the log, so that readers skip whole files. The files
themselves carry no statistics until compaction writes them anew: they are small, and live for a day."""


def write_files(root: Path, rows: pl.DataFrame, *, partition_by: str | None) -> list[AddAction]:
    """Write rows below a table's folder, one file per value of `partition_by`; returns what to commit.

    A file that is never committed is an orphan for vacuum, as after any rejected write. Raises `OSError`
    when the folder cannot be written; a half-written file is removed.
    """
    if partition_by is None:
        return [_write(root, "", {}, rows)]
    parts = rows.partition_by(partition_by, as_dict=True, maintain_order=True)
    return [
        _write(root, f"{partition_by}={value}/", {partition_by: str(value)}, part.drop(partition_by))
        for (value,), part in parts.items()
    ]


def _write(root: Path, folder: str, values: dict[str, str | None], rows: pl.DataFrame) -> AddAction:
    name = f"{folder}part-{uuid.uuid4()}.{COMPRESSION}.parquet"
    path = root / name
    path.parent.mkdir(exist_ok=True)
    try:
        rows.write_parquet(path, compression=COMPRESSION, compression_level=LEVEL, statistics=False)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, pl.exceptions.ComputeError):
            raise OSError(str(error)) from error
        raise
    return add_action(name, path.stat().st_size, values, rows)


def add_action(path: str, size: int, values: dict[str, str | None], rows: pl.DataFrame) -> AddAction:
    """What commits a file of these rows; of them only the `BOUNDED` columns are looked at."""
    return AddAction(
        path=path,
        size=size,
        partition_values=values,
        modification_time=time.time_ns() // 1_000_000,
        data_change=True,
        stats=json.dumps(statistics(rows)),
    )


def statistics(rows: pl.DataFrame) -> dict[str, Any]:
    """Statistics of a file as the Delta protocol defines them ("Per-file Statistics")."""
    bounded = [name for name in BOUNDED if name in rows.columns]
    return {
        "numRecords": rows.height,
        "minValues": {name: _stated(rows[name].min()) for name in bounded},
        "maxValues": {name: _stated(rows[name].max()) for name in bounded},
        "nullCount": {name: rows[name].null_count() for name in bounded},
    }


def _stated(value: Any) -> Any:
    """Timestamps to the microsecond: a largest value cut to milliseconds would hide rows from readers."""
    return value if value is None or isinstance(value, int) else value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
