"""The files of a drop. Same rows in, same bytes out.

Rows come ordered by `example_id`; texts are JSON lists of turns (`contracts.chat`). Train and validation are
files of their own, named so that `datasets.load_dataset(folder / "preference")` takes them for splits. A file
without rows is not written: `datasets` refuses Parquet files without any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.chat import openai_turn

SPLITS: Final = ("train", "validation")

TURNS: Final = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
"""A list of turns that only say something."""

TOOL_TURNS: Final = pa.list_(pa.json_())
"""A list of turns of which some call tools: each is one JSON object, which `datasets` reads back as it was.

A struct would give every turn every field, null where it has none, and arguments the fields of all functions;
chat templates that ask `'tool_calls' in message` then see calls everywhere. Source: TRL,
`trl.trainer.utils.remove_none_values`.
"""

TOOLS: Final = ("tools", pa.json_())
"""The functions offered; a column of drops in which some were. TRL reads a list, or its JSON."""

MARGIN: Final = ("margin", pa.float64())
"""How much better the chosen side is, 0 to 1. Only in drops whose pairs all have one, because TRL's
`RewardTrainer` uses the column whenever it is there and fails on nulls; `provenance` has it always."""

PREFERENCE: Final = ("prompt", "chosen", "rejected")
"""TRL preference, explicit prompt, conversational.
Source: TRL documentation, "Dataset formats and types"."""

UNPAIRED: Final = ("prompt", "completion")
"""TRL unpaired preference (KTO), conversational, with a `label`. Source: as above."""

PROVENANCE_SCHEMA: Final = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("example_id", pa.string()),
        ("pair_source", pa.string()),
        ("source_type", pa.string()),
        ("request_ids", pa.list_(pa.string())),
        ("evidence_ids", pa.list_(pa.string())),
        ("feature", pa.string()),
        ("failure_score", pa.float64()),
        ("slice", pa.string()),
        ("fingerprint", pa.string()),
        ("model", pa.string()),
        ("license", pa.string()),
        ("safety", pa.bool_()),
        ("inclusion_probability", pa.float64()),
        ("design_weight", pa.float64()),
        ("novelty", pa.float64()),
        ("cluster_id", pa.string()),
        ("cluster_size", pa.int32()),
        ("self_approved", pa.bool_()),
        ("verdict_source", pa.string()),
        ("split", pa.string()),
        ("margin", pa.float64()),
    ]
)
"""Where each row of the training files came from; `row` counts from 0 within `file`."""

PREFERENCE_FILE: Final = "preference/{}.parquet"
UNPAIRED_FILE: Final = "unpaired/{}.parquet"
OPENAI_FILE: Final = "openai/{}.jsonl"
PROVENANCE_FILE: Final = "provenance.parquet"

_ROW_GROUP: Final = 10_000

_LINE_ENDS: Final = tuple((c.encode(), f"\\u{ord(c):04x}".encode()) for c in "\x85\u2028\u2029")
"""What JSON leaves as it is and some readers of lines, Python's `splitlines` among them, take for an end."""

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode = msgspec.json.Encoder().encode


def write_files(folder: Path, rows: pl.DataFrame) -> dict[str, int]:
    """Write every file of a drop into a folder; returns rows per file.

    `rows` have `kind` (preference or unpaired), `prompt`, `chosen`, `rejected`, `label`, `tools` (a JSON list
    of functions, null without), `split`, `margin` and the provenance columns.
    """
    pairs = rows.filter(pl.col("kind") == "preference")
    unpaired = rows.filter(pl.col("kind") == "unpaired").with_columns(
        completion=pl.coalesce("chosen", "rejected")
    )
    written: dict[str, int] = {}
    origins: list[pl.DataFrame] = []
    for pattern, frame, schema in (
        (PREFERENCE_FILE, pairs, _schema(pairs, PREFERENCE, _margin(pairs))),
        (UNPAIRED_FILE, unpaired, _schema(unpaired, UNPAIRED, [("label", pa.bool_())])),
    ):
        for name, part in _per_split(pattern, frame):
            _write_parquet(_place(folder, name), _table(part, schema))
            written[name] = part.height
            origins.append(part.with_columns(file=pl.lit(name)).with_row_index("row"))
    for name, part in _per_split(OPENAI_FILE, pairs):
        _write_jsonl(_place(folder, name), map(openai_preference, part.iter_rows(named=True)))
        written[name] = part.height
    columns = PROVENANCE_SCHEMA.names
    empty = rows.clear().with_columns(file=pl.lit("")).with_row_index("row")
    provenance = pl.concat(frame.select(columns) for frame in (empty, *origins))
    _write_parquet(folder / PROVENANCE_FILE, provenance.to_arrow().cast(PROVENANCE_SCHEMA))
    written[PROVENANCE_FILE] = provenance.height
    return written


def _per_split(pattern: str, rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """File names and their rows, those without rows left out."""
    for split in SPLITS:
        part = rows.filter(pl.col("split") == split)
        if part.height:
            yield pattern.format(split), part


def openai_preference(row: dict[str, Any]) -> dict[str, Any]:
    """One line of OpenAI's preference fine-tuning format (also read by Azure, Together, Fireworks).

    `parallel_tool_calls` says what the API does unless told otherwise; both tool fields are left out where no
    functions were offered. Source: OpenAI API reference, "Preference input".
    """
    messages, chosen, rejected = (
        [openai_turn(turn) for turn in _decode(row[side])] for side in ("prompt", "chosen", "rejected")
    )
    given: dict[str, Any] = {"messages": messages}
    if row["tools"]:
        given |= {"tools": _decode(row["tools"]), "parallel_tool_calls": True}
    return {"input": given, "preferred_output": chosen, "non_preferred_output": rejected}


def _margin(pairs: pl.DataFrame) -> list[tuple[str, pa.DataType]]:
    return [MARGIN] if pairs.height and not pairs["margin"].null_count() else []


def _schema(rows: pl.DataFrame, texts: Iterable[str], more: list[tuple[str, pa.DataType]]) -> pa.Schema:
    """What a file of these rows looks like; both splits are given the same."""
    plain = not any(_calls_tools(rows[text]) for text in texts)
    columns = [(text, TURNS if plain else TOOL_TURNS) for text in texts]
    offered = [TOOLS] if rows["tools"].null_count() < rows.height else []
    return pa.schema([*columns, *more, *offered])


def _calls_tools(turns: pl.Series) -> bool:
    """Whether a turn has more than a role and a text; only rows that could are opened."""
    suspects = turns.filter(turns.str.contains('"tool_call', literal=True))
    return any(turn.keys() > {"role", "content"} for value in suspects for turn in _decode(value))


def _table(rows: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([_array(rows[field.name], field.type) for field in schema], schema=schema)


def _array(column: pl.Series, kind: pa.DataType) -> pa.Array:
    values: list[Any] = column.to_list()
    if kind == TURNS:
        values = [_decode(value) for value in values]
    elif kind == TOOL_TURNS:
        texts = [[_encode(turn).decode() for turn in _decode(value)] for value in values]
        return pa.array(texts, type=pa.list_(pa.string())).cast(kind)
    elif column.name == MARGIN[0]:
        values = [max(0.0, value) for value in values]
    return pa.array(values, type=kind)


def _place(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    return path


def _write_parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd", row_group_size=_ROW_GROUP)


def _write_jsonl(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("wb") as file:
        for line in lines:
            encoded = _encode(line)
            for character, escape in _LINE_ENDS:
                encoded = encoded.replace(character, escape)
            file.write(encoded + b"\n")
