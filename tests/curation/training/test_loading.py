"""Every folder of a drop as `datasets` loads it, whole and as a stream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from sinks.drops.manifest import read_manifest

COLUMNS = {
    "preference": ["prompt", "chosen", "rejected"],
    "unpaired": ["prompt", "completion", "label"],
    "sft": ["messages"],
    "prompts": ["prompt"],
}
"""Columns that TRL asks for, by folder. Source: TRL documentation, "Dataset formats and types"."""


def rows_listed(folder: Path, kind: str) -> dict[str, int]:
    """Rows of each split of a folder, as the manifest says."""
    files = read_manifest(folder)["files"]
    return {Path(name).stem: entry["rows"] for name, entry in files.items() if name.startswith(f"{kind}/")}


@pytest.mark.parametrize("kind", COLUMNS)
def test_each_folder_is_a_data_set_with_two_splits(folder: Path, kind: str, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(folder / kind), cache_dir=str(tmp_path))
    assert {name: split.num_rows for name, split in loaded.items()} == rows_listed(folder, kind)
    assert set(loaded) == {"train", "validation"}
    columns = COLUMNS[kind] + ["margin"] * (kind == "preference" and "compared" in str(folder))
    columns += ["tools"] * ("tooled" in str(folder))
    assert loaded["train"].column_names == loaded["validation"].column_names == columns
    assert loaded["train"].features == loaded["validation"].features


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_stream_gives_the_same_rows(folder: Path, kind: str, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(folder / kind), cache_dir=str(tmp_path))
    streamed = datasets.load_dataset(str(folder / kind), cache_dir=str(tmp_path), streaming=True)
    assert set(streamed) == set(loaded)
    for name, split in streamed.items():
        assert list(split) == list(loaded[name])


@pytest.mark.parametrize("kind", COLUMNS)
def test_the_card_names_each_folder(folder: Path, kind: str, tmp_path: Path) -> None:
    """`load_dataset(drop, "sft")` is what `load_dataset(drop / "sft")` is, on the hub as well as here."""
    named = datasets.load_dataset(str(folder), kind, cache_dir=str(tmp_path / "named"))
    loaded = datasets.load_dataset(str(folder / kind), cache_dir=str(tmp_path / "loaded"))
    assert set(named) == set(loaded)
    for name, split in loaded.items():
        assert named[name].features == split.features
        assert list(named[name]) == list(split)


def test_turns_and_functions_are_values_not_json(tooled: Path, tmp_path: Path) -> None:
    """No column has to be decoded before a trainer reads it, and no turn has a field that it had not."""
    for kind, columns in COLUMNS.items():
        splits = datasets.load_dataset(str(tooled / kind), cache_dir=str(tmp_path), streaming=True)
        for row in (row for split in splits.values() for row in split):
            talks = [row[column] for column in columns if column != "label"]
            assert all(_is_turn(turn) for talk in talks for turn in talk)
            assert row["tools"] is None or all(tool["function"]["name"] for tool in row["tools"])


def _is_turn(turn: Any) -> bool:
    if turn["role"] == "tool":
        return turn.keys() == {"role", "content", "tool_call_id", "name"}
    called = turn.get("tool_calls", ())
    more = {"tool_calls"} if "tool_calls" in turn else set()
    whole = turn.keys() == {"role", "content"} | more
    return whole and all(isinstance(call["function"]["arguments"], dict) for call in called)


def test_lines_load_too(plain: Path, tmp_path: Path) -> None:
    for kind in ("sft", "preference"):
        loaded = datasets.load_dataset(str(plain / "openai" / kind), cache_dir=str(tmp_path))
        assert {name: s.num_rows for name, s in loaded.items()} == rows_listed(plain, f"openai/{kind}")
        first = json.loads((plain / "openai" / kind / "train.jsonl").read_text().splitlines()[0])
        assert loaded["train"].column_names == list(first)
