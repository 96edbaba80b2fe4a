"""README.md as the Hugging Face hub and `datasets` read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
import yaml
from huggingface_hub import DatasetCard, DatasetCardData

from sinks.drops.documents import write_documents
from sinks.drops.documents.front_matter import feature, size_category
from sinks.drops.documents.licences import HubLicence, hub_licence
from sinks.drops.staging import Staged, stage
from tests.sinks.drops.documents.samples import content, frame, one_sided, row

CONFIGS = ["preference", "unpaired", "sft", "prompts", "provenance"]


def front(folder: Path) -> dict[str, Any]:
    found = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_the_front_matter_survives_the_hubs_own_classes(folder: Path) -> None:
    card = DatasetCard.load(folder / "README.md")
    assert yaml.safe_load(DatasetCardData(**card.data.to_dict()).to_yaml()) == front(folder)
    assert card.data.license == "cc-by-4.0"
    assert card.data.size_categories == ["n<1K"]
    assert "synthetic" in card.data.to_dict()["tags"]
    assert card.text.startswith("\n# Dataset Card for Tailrace drop 20260302-abcdef012345\n")


def test_every_folder_loads_by_its_name(folder: Path, tmp_path: Path) -> None:
    card = front(folder)
    assert [config["config_name"] for config in card["configs"]] == CONFIGS
    for info in card["dataset_info"]:
        data = datasets.load_dataset(str(folder), info["config_name"], cache_dir=str(tmp_path))
        for split in data.values():
            assert split.features._to_yaml_list() == info["features"]
    pairs = datasets.load_dataset(str(folder), "preference", cache_dir=str(tmp_path))
    assert {name: split.num_rows for name, split in pairs.items()} == {"train": 2, "validation": 1}
    assert [turn["role"] for turn in pairs["validation"][0]["chosen"]] == ["assistant"]


def test_it_says_how_to_train_on_what_is_there(folder: Path, tmp_path: Path) -> None:
    text = (folder / "README.md").read_text()
    assert "desirable_weight=2.0" in text
    assert "1 rows are desirable and 2 are not" in text
    for trainer in ("DPOTrainer", "KTOTrainer", "SFTTrainer", "GRPOTrainer"):
        assert f"trainer = {trainer}(" in text
    only = stage(tmp_path, "d", frame(one_sided("a", False)), content()).folder
    assert "DPOTrainer" not in (only / "README.md").read_text()
    assert [config["config_name"] for config in front(only)["configs"]] == [
        "unpaired",
        "prompts",
        "provenance",
    ]


def test_it_says_who_judged_and_what_was_checked(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    for said in (
        "may not decide alone (uncalibrated): the evidence had to say the same",
        "gsm8k (version 2, 1,319 items): in 3 of 400 rows checked",
        "Spans in all texts read: email 2",
        "Only the licences CC-BY-4.0; rows that name none were refused",
        "no consent 4",
        "16.7% of the rows hold text that a judge wrote",
        "Requests were made between 2026-03-02 10:00:00 UTC and 2026-03-02 10:00:00 UTC",
        "tailrace drops rebuild 20260302-abcdef012345",
    ):
        assert said in text, said


@pytest.mark.parametrize(
    ("trust", "said"),
    [
        ({"judge": "rules", "alone": True}, "Epoch e1 (rules) may decide alone."),
        ({"judge": "openai:one", "alone": True}, "Epoch e1 (openai:one) may decide alone, not calibrated."),
        (
            {"judge": "one", "alone": True, "calibration": "c1"},
            "Epoch e1 (one) may decide alone, calibration c1.",
        ),
    ],
)
def test_how_far_a_judge_is_trusted(tmp_path: Path, trust: dict[str, Any], said: str) -> None:
    told = content(files={}, authority={"trust": [{"epoch": "e1", **trust}]})
    write_documents(tmp_path, told, frame())
    assert said in (tmp_path / "README.md").read_text()


def test_a_drop_without_rows_claims_nothing(empty: Staged) -> None:
    card = front(empty.folder)
    assert "configs" not in card
    assert card["license"] == "unknown"
    assert "No evaluation set was registered" in (empty.folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("licences", "found"),
    [
        (["MIT"], HubLicence("mit")),
        (
            [
                "",
            ],
            HubLicence("unknown"),
        ),
        ([], HubLicence("unknown")),
        (["mit", "cc0-1.0"], HubLicence("other", "several-licences")),
        (["mit", ""], HubLicence("other", "several-licences")),
        (["House rules (v2)"], HubLicence("other", "house-rules-v2")),
    ],
)
def test_licences_of_rows_become_one_the_hub_knows(licences: list[str], found: HubLicence) -> None:
    assert hub_licence(licences) == found


@pytest.mark.parametrize(("rows", "name"), [(0, "n<1K"), (1_000, "1K<n<10K"), (2_500_000, "1M<n<10M")])
def test_size_categories(rows: int, name: str) -> None:
    assert size_category(rows) == name


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
        *(pa.list_(pa.json_()), pa.json_(), pa.list_(pa.string()), pa.bool_(), pa.int32(), pa.float64()),
        pa.timestamp("us", tz="UTC"),
    ],
)
def test_columns_are_written_as_datasets_writes_them(kind: pa.DataType) -> None:
    schema = pa.schema([("column", kind)])
    theirs = datasets.Features.from_arrow_schema(schema)._to_yaml_list()
    assert [feature(column) for column in schema] == theirs


def test_turns_that_call_tools_load_too(tmp_path: Path) -> None:
    function = {"name": "f", "arguments": {"q": 1}}
    calls = [{"id": "1", "type": "function", "function": function}]
    call = json.dumps([{"role": "assistant", "content": "", "tool_calls": calls}])
    tools = '[{"type": "function", "function": {"name": "f", "parameters": {}}}]'
    folder = stage(tmp_path, "d", frame(row("a", chosen=call, tools=tools)), content()).folder
    data = datasets.load_dataset(str(folder), "preference", split="train", cache_dir=str(tmp_path / "cache"))
    assert data[0]["chosen"][0]["tool_calls"][0]["function"]["arguments"] == {"q": 1}
