"""Reading a published drop back into the rows it was written from: the inverse of `formats.write_files`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import DropInvalid
from sinks.drops.formats import PROVENANCE_FILE

_TEXTS: Final = ("prompt", "chosen", "rejected", "tools")

_encode = msgspec.json.Encoder().encode


def read_rows(folder: Path) -> pl.DataFrame:
    """Rows of a drop as `write_files` takes them, ordered by `example_id`.

    Every training file is one that `provenance` names; what else a drop holds is made from the same rows.
    Texts are JSON lists of turns. Raises `DropInvalid` when files are missing or do not fit together.
    """
    provenance = _frame(_read(folder, PROVENANCE_FILE))
    parts = []
    for (name,), origin in provenance.group_by("file", maintain_order=True):
        rows = _texts(_read(folder, str(name)))
        if rows.height != origin.height:
            raise DropInvalid(f"{name} has {rows.height} rows, {PROVENANCE_FILE} names {origin.height}")
        # `margin`, where a training file has it, is in the provenance of every row.
        origin = origin.sort("row").drop("file", "row")
        parts.append(
            pl.concat([rows, origin.drop(set(rows.columns) & set(origin.columns))], how="horizontal")
        )
    if not parts:
        return _empty(provenance)
    return pl.concat(parts).sort("example_id")


def _read(folder: Path, name: str) -> pa.Table:
    try:
        return pq.read_table(folder / name)
    except (OSError, pa.ArrowException) as error:
        raise DropInvalid(
            f"{name} of drop {folder.name} cannot be read: {type(error).__name__}",
            hint="Restore the folder from a copy; `tailrace drops verify` names what changed.",
        ) from None


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _texts(table: pa.Table) -> pl.DataFrame:
    """The columns of a training file that are not in its provenance."""
    paired = "chosen" in table.column_names
    columns: dict[str, list[Any]] = {}
    for name in table.column_names:
        if name in ("prompt", "chosen", "rejected", "completion", "tools"):
            columns[name] = [_turns(value) for value in table[name].to_pylist()]
    height = table.num_rows
    label: list[bool | None] = [None] * height if paired else table["label"].to_pylist()
    if not paired:
        said = columns.pop("completion")
        columns["chosen"] = [text if good else None for text, good in zip(said, label, strict=True)]
        columns["rejected"] = [None if good else text for text, good in zip(said, label, strict=True)]
    columns.setdefault("tools", [None] * height)
    return pl.DataFrame(
        [pl.Series(name, columns[name], dtype=pl.String) for name in _TEXTS]
        + [
            pl.Series("label", label, dtype=pl.Boolean),
            pl.Series("kind", ["preference" if paired else "unpaired"] * height, dtype=pl.String),
        ]
    )


def _turns(value: Any) -> str | None:
    """Turns as one JSON list; each may come as an object or as the JSON of one."""
    if value is None or isinstance(value, str):
        return value
    turns = [msgspec.json.decode(turn) if isinstance(turn, str | bytes) else turn for turn in value]
    return _encode(turns).decode()


def _empty(provenance: pl.DataFrame) -> pl.DataFrame:
    texts = {name: pl.String() for name in (*_TEXTS, "kind")}
    schema = {**texts, "label": pl.Boolean(), **provenance.drop("file", "row").schema}
    return pl.DataFrame(schema=schema)
