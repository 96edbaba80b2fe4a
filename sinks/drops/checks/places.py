"""Checks of the provenance: every row of every file is somebody's, and nobody is in both splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sinks.drops.checks.results import Findings
from sinks.drops.checks.shapes import misfits, provenance_schema
from sinks.drops.formats.layout import PROMPTS_FILE, PROVENANCE_FILE, ROW_COLUMNS
from sinks.drops.formats.parquet import as_frame
from sinks.drops.formats.provenance import PLACES, PROVENANCE_SCHEMA


def check_provenance(folder: Path, rows: Mapping[str, int], findings: Findings) -> None:
    """Check the provenance of a drop against its files, `rows` being how many each has."""
    file = PROVENANCE_FILE
    try:
        table = pq.read_table(folder / file)
        table.validate(full=True)
        frame = as_frame(table)
    except (OSError, pa.ArrowException):
        findings.add(file, "readable", "cannot be read", [0], 1)
        return
    expected = as_frame(PROVENANCE_SCHEMA.empty_table()).schema
    wrong, bad = misfits(provenance_schema(expected), frame)
    said = f"its columns are not those of the format ({wrong})" if wrong else "its columns are not those"
    findings.add(file, "columns", said, bad, frame.height)
    if wrong:
        return
    twice = frame.select(pl.col("example_id").is_duplicated().arg_true()).to_series()
    findings.add(file, "examples_once", "an example is there twice", twice.to_list(), frame.height)
    elsewhere = ~pl.col("file").str.contains(pl.format("/{}.", "split"), literal=True)
    strays = frame.select(elsewhere.arg_true()).to_series()
    findings.add(file, "splits_disjoint", "its file is of another split", strays.to_list(), frame.height)
    for name, count in rows.items():
        if name != file:
            lost = _unnamed(frame, name, count)
            findings.add(file, "rows_named", f"names other rows than {name} has", lost, count)


def _unnamed(frame: pl.DataFrame, name: str, count: int) -> list[int]:
    """Rows of a file that are not named, not named once, or not there."""
    named = _numbers(frame, name).to_numpy()
    inside = named[named < count]
    times = np.bincount(inside, minlength=count)
    wrong = np.flatnonzero(times == 0 if name.startswith(PROMPTS_FILE.partition("/")[0]) else times != 1)
    return sorted({*wrong.tolist(), *named[named >= count].tolist()})


def _numbers(frame: pl.DataFrame, name: str) -> pl.Series:
    """Rows of a file that the provenance names."""
    return _named(frame, name)["number"]


def _named(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """`example_id` and `number` of all rows of a file that the provenance names."""
    for column, pattern in ROW_COLUMNS.items():
        folder, _, file = name.rpartition("/")
        if pattern.startswith(f"{folder}/"):
            mine = frame.filter(pl.lit(file).str.starts_with(pl.col("split")), pl.col(column).is_not_null())
            return mine.select("example_id", number=column)
    return frame.filter(pl.col("file") == name).select("example_id", number="row")


def examples_at(folder: Path, name: str, rows: Sequence[int]) -> list[str]:
    """Example ids at some rows of a file, as far as the provenance tells them."""
    try:
        frame = as_frame(pq.read_table(folder / PROVENANCE_FILE, columns=[*PLACES, "example_id", "split"]))
    except (OSError, ValueError, pa.ArrowException):
        return []
    if name == PROVENANCE_FILE:
        return frame["example_id"].gather([row for row in rows if row < frame.height]).to_list()
    found = dict(
        _named(frame, name).select("number", "example_id").unique("number", keep="first").iter_rows()
    )
    return [found[row] for row in rows if row in found]
