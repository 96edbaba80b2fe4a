"""Parquet files, written row group by row group: memory is that of one group, whatever the file's size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sinks.drops.formats.turns import TOOL_TURNS, TURNS, turns_array

GROUP_BYTES: Final = 32 * 2**20
"""Text a row group is closed at, uncompressed. Readers that stream hold a row group per worker, and the data
set viewer of the Hugging Face hub refuses groups above 300 MB; below some 10 MB compression suffers.
Source: `datasets.config.MAX_ROW_GROUP_SIZE` (100 MB); hub documentation, "Data files configuration"."""

GROUP_ROWS: Final = 50_000
"""Rows of a group at most, so that short texts can be shuffled by group too."""

OPTIONS: Final[dict[str, Any]] = {
    "compression": "zstd",
    "version": "2.6",
    "data_page_version": "1.0",
    # A reader that wants some rows of a group finds their pages without reading the rest.
    "write_page_index": True,
    # Pages end where the content says, so that drops that share rows share bytes in a store that
    # deduplicates (the hub's Xet). Values: `datasets.config.DEFAULT_CDC_OPTIONS`.
    "use_content_defined_chunking": {
        "min_chunk_size": 256 * 1024,
        "max_chunk_size": 1024 * 1024,
        "norm_level": 0,
    },
}
"""How every Parquet file of a drop is written. The bytes depend on the version of pyarrow besides, which the
file names as its maker."""


def row_groups(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows in groups of at most `GROUP_BYTES` of text (or one row) and `GROUP_ROWS` rows."""
    sizes = rows.select(pl.sum_horizontal(pl.col(pl.String).str.len_bytes().fill_null(0), pl.lit(0)))
    ends = np.cumsum(sizes.to_series().to_numpy().astype(np.int64))
    start = 0
    while start < rows.height:
        before = ends[start - 1] if start else 0
        end = int(np.searchsorted(ends, before + GROUP_BYTES, side="right"))
        end = max(min(end, start + GROUP_ROWS), start + 1)
        yield rows[start:end]
        start = end


def write_parquet(
    path: Path, rows: pl.DataFrame, schema: pa.Schema, columns: Mapping[str, pl.Expr] | None = None
) -> None:
    """Write rows with the columns of a schema, made by `columns` or taken as they are, a group at a time.

    Turns are JSON lists in the frame (`turns.turns_array`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {name: (columns or {}).get(name, pl.col(name)) for name in schema.names}
    sources = sorted({name for expression in made.values() for name in expression.meta.root_names()})
    with pq.ParquetWriter(path, schema, **OPTIONS) as writer:
        for group in row_groups(rows.select(sources)):
            frame = group.select(**made)
            arrays = [array_of(frame[field.name], field.type) for field in schema]
            table = pa.Table.from_arrays(arrays, schema=schema).combine_chunks()
            writer.write_table(table, row_group_size=group.height)


def array_of(column: pl.Series, kind: pa.DataType) -> pa.Array:
    """A column as an Arrow array of a type."""
    if kind in (TURNS, TOOL_TURNS):
        return turns_array(column, kind)
    array = column.to_arrow(compat_level=pl.CompatLevel.oldest())
    if isinstance(kind, pa.BaseExtensionType):
        return array.cast(kind.storage_type).cast(kind)
    return array.cast(kind)


def as_frame(table: pa.Table) -> pl.DataFrame:
    """A table of a drop as a frame; JSON values as the text they are stored as."""
    frame = pl.from_arrow(pa.table({name: _plain(table[name]) for name in table.column_names}))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return column.cast(kind.storage_type)
    if pa.types.is_list(kind) and isinstance(kind.value_type, pa.BaseExtensionType):
        return column.cast(pa.list_(kind.value_type.storage_type))
    return column
