"""A drop read back gives the rows it was written from, whatever their text."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import DropInvalid
from sinks.drops.formats import PROVENANCE_SCHEMA, ROW_COLUMNS, write_files
from sinks.drops.formats.provenance import PLACES
from sinks.drops.reading import read_rows

Text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
Turns = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": Text}),
    min_size=1,
    max_size=3,
)
Row = st.fixed_dictionaries(
    {"prompt": Turns, "said": Turns, "other": Turns, "label": st.sampled_from([None, True, False])}
)


def stored(turns: list[dict[str, str]]) -> str:
    """Turns as a build writes them, the role first."""
    return json.dumps([{name: turn[name] for name in ("role", "content")} for turn in turns])


def drop_rows(given_rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a build has them: pairs where `label` is null, else one side."""
    provenance = pl.from_arrow(PROVENANCE_SCHEMA.empty_table())
    assert isinstance(provenance, pl.DataFrame)
    schema = provenance.drop(PLACES).schema | {
        **dict.fromkeys(("prompt", "chosen", "rejected", "kind", "tools"), pl.String()),
        "label": pl.Boolean(),
    }
    rows = []
    for n, row in enumerate(given_rows):
        paired, good = row["label"] is None, row["label"]
        made: dict[str, Any] = dict.fromkeys(schema)
        made |= {
            "example_id": f"e{n:03d}",
            "request_ids": [f"r{n}"],
            "evidence_ids": [],
            "split": "train",
            "kind": "preference" if paired else "unpaired",
            "label": row["label"],
            "prompt": stored(row["prompt"]),
            "chosen": stored(row["said"]) if paired or good else None,
            "rejected": stored(row["other"]) if paired else None if good else stored(row["said"]),
        }
        rows.append({name: made[name] for name in schema})
    return pl.DataFrame(rows, schema=pl.Schema(schema))


def meaning(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows with their turns as values: JSON may be written in more than one way."""
    turns = ("prompt", "chosen", "rejected")
    return [
        {k: json.loads(v) if k in turns and v is not None else v for k, v in row.items()}
        for row in rows.iter_rows(named=True)
    ]


@settings(max_examples=30)
@given(st.lists(Row, max_size=6))
def test_what_was_written_is_read_and_written_again_alike(given_rows: list[dict[str, Any]]) -> None:
    rows = drop_rows(given_rows)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        written = write_files(Path(first), rows)
        read = read_rows(Path(first))
        columns = [c for c in rows.columns if c in read.columns]
        assert set(columns) >= {"example_id", "request_ids", "prompt", "chosen", "rejected", "label", "kind"}
        assert meaning(read.select(columns)) == meaning(rows.select(columns))
        assert write_files(Path(second), read) == written
        for name in written.rows:
            assert (Path(first) / name).read_bytes() == (Path(second) / name).read_bytes(), name


def test_files_that_are_missing_or_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DropInvalid, match="provenance"):
        read_rows(tmp_path)
    turns = [{"role": "user", "content": "a"}]
    rows = drop_rows([{"prompt": turns, "said": turns, "other": turns, "label": None}] * 2)
    names = [
        name for name in write_files(tmp_path, rows).rows if name.endswith(".parquet") and "prov" not in name
    ]
    training = next(tmp_path / name for name in names if name.startswith("preference/"))
    pl.read_parquet(training).head(1).write_parquet(training)
    with pytest.raises(DropInvalid, match="rows"):
        read_rows(tmp_path)
    training.unlink()
    with pytest.raises(DropInvalid, match="cannot be read"):
        read_rows(tmp_path)


def test_drops_of_an_older_layout_are_read_too(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a"}]
    rows = drop_rows([{"prompt": turns, "said": turns, "other": turns, "label": None}] * 2)
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    write_files(old, rows)
    for name in ("sft", "prompts", "openai"):
        shutil.rmtree(old / name)
    (old / "openai").mkdir()
    (old / "openai" / "train.jsonl").write_text("{}\n")
    provenance = pl.read_parquet(old / "provenance.parquet")
    later = [*ROW_COLUMNS, "occurred_at", "base_model", "consent_scope", "consent_as_of", "transforms"]
    provenance.drop(later).write_parquet(old / "provenance.parquet")
    read = read_rows(old)
    assert meaning(read) == meaning(rows.select(read.columns))
    write_files(new, read)
    again = pl.read_parquet(new / "provenance.parquet")
    assert again.columns == provenance.columns
    assert again.select(later[len(ROW_COLUMNS) :]).null_count().sum_horizontal().item() == 2 * 5
