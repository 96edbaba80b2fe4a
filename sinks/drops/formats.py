"""The files of a drop. Same rows in, same bytes out.

Rows come ordered by `example_id`; texts are JSON lists of {role, content} turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

TURNS: Final = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

PREFERENCE_SCHEMA: Final = pa.schema([("prompt", TURNS), ("chosen", TURNS), ("rejected", TURNS)])
"""TRL preference, explicit prompt, conversational.
Source: TRL documentation, "Dataset formats and types"."""

UNPAIRED_SCHEMA: Final = pa.schema([("prompt", TURNS), ("completion", TURNS), ("label", pa.bool_())])
"""TRL unpaired preference (KTO), conversational. Source: as above."""

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
    ]
)
"""Where each row of the training files came from; `row` counts from 0 within `file`."""

PREFERENCE_FILE: Final = "preference.parquet"
UNPAIRED_FILE: Final = "unpaired.parquet"
OPENAI_FILE: Final = "preference.openai.jsonl"
PROVENANCE_FILE: Final = "provenance.parquet"

_ROW_GROUP: Final = 10_000


def write_files(folder: Path, rows: pl.DataFrame) -> dict[str, int]:
    """Write every file of a drop into a folder; returns rows per file.

    `rows` have `kind` (preference or unpaired), `prompt`, `chosen`, `rejected`, `label` and the
    provenance columns.
    """
    pairs = rows.filter(pl.col("kind") == "preference")
    unpaired = rows.filter(pl.col("kind") == "unpaired").with_columns(
        completion=pl.coalesce("chosen", "rejected")
    )
    _write_parquet(folder / PREFERENCE_FILE, _table(pairs, PREFERENCE_SCHEMA))
    _write_parquet(folder / UNPAIRED_FILE, _table(unpaired, UNPAIRED_SCHEMA))
    _write_jsonl(folder / OPENAI_FILE, map(openai_preference, pairs.iter_rows(named=True)))
    provenance = pl.concat(
        [
            frame.with_columns(file=pl.lit(name)).with_row_index("row")
            for name, frame in ((PREFERENCE_FILE, pairs), (UNPAIRED_FILE, unpaired.drop("completion")))
        ]
    )
    _write_parquet(
        folder / PROVENANCE_FILE,
        provenance.select(PROVENANCE_SCHEMA.names).to_arrow().cast(PROVENANCE_SCHEMA),
    )
    return {
        PREFERENCE_FILE: pairs.height,
        UNPAIRED_FILE: unpaired.height,
        OPENAI_FILE: pairs.height,
        PROVENANCE_FILE: provenance.height,
    }


def openai_preference(row: dict[str, Any]) -> dict[str, Any]:
    """One line of OpenAI's preference fine-tuning format (also read by Azure, Together, Fireworks)."""
    decode = msgspec.json.decode
    return {
        "input": {"messages": decode(row["prompt"])},
        "preferred_output": decode(row["chosen"]),
        "non_preferred_output": decode(row["rejected"]),
    }


def _table(rows: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        values: list[Any] = rows[field.name].to_list()
        if field.type == TURNS:
            values = [msgspec.json.decode(value) for value in values]
        columns.append(pa.array(values, type=field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _write_parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd", row_group_size=_ROW_GROUP)


def _write_jsonl(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        for line in lines:
            file.write(encode(line) + b"\n")
