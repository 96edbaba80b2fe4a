"""Records from a file a person names: JSON lines, a JSON array, CSV or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from console.options import require_file
from contracts.errors import LabelsInvalid


@dataclass(frozen=True)
class Records:
    """Records and where each stands in its file (line, or row for Parquet and arrays, from 1)."""

    rows: list[dict[str, Any]]
    lines: Sequence[int]


def read_records(path: Path) -> Records:
    """Read a file by its ending; anything but .csv, .tsv and .parquet is JSON.

    Raises `LabelsInvalid` naming the line that cannot be read, `SettingsError` when there is no file.
    """
    require_file(path)
    match path.suffix.lower():
        case ".parquet":
            rows = _framed(path, lambda: pl.read_parquet(path)).to_dicts()
            return Records(rows, range(1, len(rows) + 1))
        case ".csv" | ".tsv" as ending:
            separator = "," if ending == ".csv" else "\t"
            # As text first: a guess by the first rows would turn the id 007 into 7.
            text = _framed(path, lambda: pl.read_csv(path, separator=separator, infer_schema=False))
            rows = text.with_columns(_numbers(column) for column in text).to_dicts()
            return Records(rows, range(2, len(rows) + 2))
        case _:
            return _json(path, path.read_bytes())


def _json(path: Path, content: bytes) -> Records:
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content.lstrip()[:1] == b"[":
        values = _decoded(path, content, None)
        return Records(
            [_record(path, value, n) for n, value in enumerate(values, 1)], range(1, len(values) + 1)
        )
    rows, lines = [], []
    for n, line in enumerate(content.splitlines(), 1):
        if line.strip():
            rows.append(_record(path, _decoded(path, line, n), n))
            lines.append(n)
    return Records(rows, lines)


def _decoded(path: Path, content: bytes, line: int | None) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        where = f"{path}, line {line}," if line else str(path)
        raise LabelsInvalid(
            f"{where} is not JSON", hint="One JSON object per line; or CSV or Parquet with that ending."
        ) from None


def _record(path: Path, value: Any, line: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LabelsInvalid(f"{path}, line {line}, is no JSON object", hint="One JSON object per record.")
    return value


def _framed(path: Path, read: Any) -> pl.DataFrame:
    try:
        frame: pl.DataFrame = read()
    except pl.exceptions.NoDataError:
        raise LabelsInvalid(f"{path} is empty", hint="The first line names the columns.") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise LabelsInvalid(
            f"{path} cannot be read as {path.suffix.removeprefix('.')}: {str(error).splitlines()[0]}",
            hint="Check the file's ending and content.",
        ) from None
    return frame


def _numbers(column: pl.Series) -> pl.Series:
    """The column as numbers when every cell is one and none would lose a leading zero."""
    known = column.drop_nulls()
    if known.is_empty() or known.str.contains(r"^[+-]?0\d").any():
        return column
    for kind in (pl.Int64, pl.Float64):
        cast = known.cast(kind, strict=False)
        if cast.null_count() == 0:
            return column.cast(kind)
    return column
