"""Reading a published drop back into the rows it was written from: the inverse of `formats.write_files`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import DropInvalid
from sinks.drops.formats import PROVENANCE_FILE
from sinks.drops.formats.parquet import as_frame
from sinks.drops.formats.provenance import PLACES

_TEXTS: Final = ("prompt", "chosen", "rejected", "tools")


def read_rows(folder: Path) -> pl.DataFrame:
    """Rows of a drop as `write_files` takes them, ordered by `example_id`.

    Every training file is one that `provenance` names; what else a drop holds is made from the same rows.
    Texts are JSON lists of turns. Raises `DropInvalid` when files are missing or do not fit together.
    """
    provenance = as_frame(_read(folder, PROVENANCE_FILE))
    parts = []
    for (name,), origin in provenance.group_by("file", maintain_order=True):
        rows = _texts(_read(folder, str(name)))
        if rows.height != origin.height:
            raise DropInvalid(f"{name} has {rows.height} rows, {PROVENANCE_FILE} names {origin.height}")
        # `margin`, where a training file has it, is in the provenance of every row.
        origin = origin.sort("row").drop(PLACES, strict=False)
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


def _texts(table: pa.Table) -> pl.DataFrame:
    """The columns of a training file that are not in its provenance."""
    rows = as_frame(table)
    turns = {
        name: _json(name, dtype) for name, dtype in rows.schema.items() if name in (*_TEXTS, "completion")
    }
    paired = "chosen" in turns
    if not paired:
        said = turns.pop("completion")
        turns |= {"chosen": pl.when("label").then(said), "rejected": pl.when(~pl.col("label")).then(said)}
    turns.setdefault("tools", pl.lit(None, dtype=pl.String))
    return rows.select(
        **{name: turns[name] for name in _TEXTS},
        label=pl.lit(None, dtype=pl.Boolean) if paired else pl.col("label"),
        kind=pl.lit("preference" if paired else "unpaired"),
    )


def _json(column: str, dtype: pl.DataType) -> pl.Expr:
    """Turns as one JSON list; each comes as an object or as the JSON of one."""
    if not isinstance(dtype, pl.List):
        return pl.col(column)
    turn = pl.element()
    if isinstance(dtype.inner, pl.Struct):
        turn = turn.struct.json_encode()
    return pl.concat_str(pl.lit("["), pl.col(column).list.eval(turn).list.join(","), pl.lit("]"))


def _empty(provenance: pl.DataFrame) -> pl.DataFrame:
    texts = {name: pl.String() for name in (*_TEXTS, "kind")}
    schema = {**texts, "label": pl.Boolean(), **provenance.drop(PLACES, strict=False).schema}
    return pl.DataFrame(schema=schema)
