"""Writing every training file of a drop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from contracts.errors import DropInvalid
from sinks.drops.formats.jsonl import write_lines
from sinks.drops.formats.layout import (
    OPENAI_PREFERENCE_FILE,
    OPENAI_SFT_FILE,
    PROVENANCE_FILE,
    SPLITS,
)
from sinks.drops.formats.openai_lines import Unholdable, preference_line, sft_line
from sinks.drops.formats.parquet import write_parquet
from sinks.drops.formats.placing import LEARNED, PAIR, numbered, placed
from sinks.drops.formats.provenance import PROVENANCE_SCHEMA, provenance_rows
from sinks.drops.formats.schemas import TRAINING_FILES

BATCH: Final = 4096
"""Rows that are decoded at a time for lines of JSON."""

_ROW: Final = "_number"
_NO_TURNS: Final = (ValueError, TypeError, KeyError, AttributeError, msgspec.MsgspecError, PolarsError)
"""What reading JSON that is not what it should be raises; Arrow's errors are among them."""


@dataclass
class Written:
    """Rows per file, and rows that a file's format cannot hold: file → reason → count."""

    rows: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)


def write_files(folder: Path, rows: pl.DataFrame, *, batch: int = BATCH) -> Written:
    """Write every training file of a drop into a folder.

    `rows` come ordered by `example_id` and have `kind` (preference or unpaired), `prompt`, `chosen`,
    `rejected` (JSON lists of turns, see `contracts.chat`), `label`, `tools` (a JSON list of functions, null
    without), `split`, `margin` and what there is of the provenance columns. Memory beyond the frame is that
    of one row group, or of `batch` rows where lines are written; the bytes do not depend on it.

    Raises `DropInvalid` when a text is no JSON list of turns.
    """
    try:
        return _write(folder, rows, batch)
    except _NO_TURNS as error:
        # The error itself may quote the text.
        raise DropInvalid(
            f"the drop is not written: a row holds something other than turns ({type(error).__name__})",
            hint="Rows like these should have been refused before; report it with this message.",
        ) from None


def _write(folder: Path, rows: pl.DataFrame, batch: int) -> Written:
    written = Written()
    rows = placed(rows).with_row_index(_ROW)
    for file in TRAINING_FILES:
        held = rows.filter(file.holds)
        schema = file.schema(held)
        for name, part in _per_split(file.pattern, held):
            write_parquet(folder / name, part, schema, file.columns)
            written.rows[name] = part.height
    lines: list[int] = []
    for name, part in _per_split(OPENAI_PREFERENCE_FILE, rows.filter(PAIR)):
        missed: Counter[str] = Counter()
        count = write_lines(folder / name, _preference_lines(part, batch, lines, missed))
        if count:
            written.rows[name] = count
        if missed:
            written.left_out[name] = dict(sorted(missed.items()))
    for name, part in _per_split(OPENAI_SFT_FILE, rows.filter(LEARNED)):
        values = _values(part, ("prompt", "chosen", "tools"), batch)
        written.rows[name] = write_lines(folder / name, (sft_line(*row) for row in values))
    in_lines = pl.col(_ROW).is_in(pl.Series(lines, dtype=rows.schema[_ROW]).implode())
    provenance = provenance_rows(rows.with_columns(openai_preference_row=numbered(in_lines)))
    write_parquet(folder / PROVENANCE_FILE, provenance, PROVENANCE_SCHEMA)
    written.rows[PROVENANCE_FILE] = provenance.height
    return written


def _preference_lines(
    pairs: pl.DataFrame, batch: int, lines: list[int], missed: Counter[str]
) -> Iterator[bytes]:
    """Lines of the pairs that can be held; their numbers go to `lines`, why others cannot to `missed`."""
    for number, *row in _values(pairs, (_ROW, "prompt", "chosen", "rejected", "tools"), batch):
        try:
            line = preference_line(*row)
        except Unholdable as problem:
            missed[problem.reason] += 1
        else:
            lines.append(number)
            yield line


def _per_split(pattern: str, rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """File names and their rows, those without rows left out."""
    for split in SPLITS:
        part = rows.filter(pl.col("split") == split)
        if part.height:
            yield pattern.format(split), part


def _values(rows: pl.DataFrame, columns: tuple[str, ...], batch: int) -> Iterator[tuple[Any, ...]]:
    """Values of some columns row by row; a batch of them at a time are Python's."""
    for part in rows.select(columns).iter_slices(batch):
        yield from part.iter_rows()
