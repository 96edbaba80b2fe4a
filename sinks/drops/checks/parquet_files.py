"""Checks of Parquet files, a row group at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from sinks.drops.checks.facts import UNREADABLE, turn_facts
from sinks.drops.checks.results import Findings, kind_of
from sinks.drops.checks.rules import COMPARED, RULES, of
from sinks.drops.checks.shapes import TURNS, misfits, training_schema, turn_columns
from sinks.drops.checks.tokens import Texts, TokenCounts, json_texts, plain_texts
from sinks.drops.formats.parquet import as_frame

_SHAPE: Final = "its columns are not those of the format"


class _Function(msgspec.Struct):
    name: str


class _Tool(msgspec.Struct):
    type: str
    function: _Function


_tools = msgspec.json.Decoder(list[_Tool]).decode


def check_parquet(folder: Path, name: str, expected: int, findings: Findings, tokens: TokenCounts) -> None:
    """Check a training file of a drop."""
    kind = kind_of(name)
    start, prompts = 0, set[int]()
    try:
        with pq.ParquetFile(folder / name) as file:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number)
                # Reading takes text as it comes; this looks whether it is UTF-8.
                table.validate(full=True)
                frame = as_frame(table)
                if _check_group(name, kind, frame, start, findings):
                    tokens.add(name, expected, start, {c: _texts(frame[c]) for c in turn_columns(kind)})
                if kind == "prompts":
                    _check_distinct(name, frame, start, prompts, findings)
                start += frame.height
    except (OSError, pa.ArrowException):
        findings.add(name, "readable", "cannot be read from here on", [start], expected)
    findings.add(
        name, "rows_as_written", f"has {start} rows, not {expected}", [start] * (start != expected), expected
    )


def _check_group(name: str, kind: str, frame: pl.DataFrame, start: int, findings: Findings) -> bool:
    """Check some rows of a file that begin at row `start`; false when they cannot be read as turns."""
    wrong, rows = misfits(training_schema(kind, frame), frame)
    said = f"{_SHAPE} ({wrong})" if wrong else _SHAPE
    findings.add(name, "columns", said, [row + start for row in rows], frame.height)
    if wrong:
        return False
    found = pl.concat(
        [
            turn_facts(frame[column], same=column in COMPARED).select(pl.all().name.prefix(f"{column}."))
            for column in turn_columns(kind)
        ],
        how="horizontal",
    )
    for rule in RULES[kind]:
        broken = found.select(rule.broken.fill_null(value=True).arg_true()).to_series()
        findings.add(name, rule.name, rule.meaning, (broken + start).to_list(), frame.height)
    if "tools" in frame.columns:
        bad = [row + start for row, tools in enumerate(frame["tools"]) if not _offered(tools)]
        findings.add(name, "tools_valid", "its tools are no list of functions", bad, frame.height)
    unreadable = pl.any_horizontal(of(column, "shape") == UNREADABLE for column in turn_columns(kind))
    return not found.select(unreadable.any()).item()


def _texts(column: pl.Series) -> Texts:
    return plain_texts(column) if column.dtype == TURNS else json_texts(column)


def _check_distinct(name: str, frame: pl.DataFrame, start: int, seen: set[int], findings: Findings) -> None:
    repeated = []
    for row, value in enumerate(frame.hash_rows(seed=1), start):
        if value in seen:
            repeated.append(row)
        seen.add(value)
    findings.add(name, "distinct", "is there twice", repeated, frame.height)


def _offered(tools: str | None) -> bool:
    if tools is None:
        return True
    try:
        listed = _tools(tools)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return bool(listed) and all(tool.type == "function" and tool.function.name for tool in listed)
