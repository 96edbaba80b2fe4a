"""The registry of models: drops → models, and what another base model leaves stale."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.errors import DropInvalid, SettingsError
from sinks.lake import Lake
from sinks.models import Training, impact, register, registered, trained_on
from sinks.transactions import append_once
from tests.factories import table_rows

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.create()
    append_once(lake, "drops", table_rows("drops", [{"drop_id": "d1"}, {"drop_id": "d2"}]), batch_id="t")
    rows = [
        {"example_id": "1", "drop_id": "d1", "base_model": "old", "source_type": "user_correction"},
        {
            "example_id": "2",
            "drop_id": "d1",
            "base_model": None,
            "model": "new",
            "source_type": "production_log",
        },
        {
            "example_id": "3",
            "drop_id": "d1",
            "base_model": None,
            "model": None,
            "source_type": "production_log",
        },
        {"example_id": "4", "drop_id": "d2", "base_model": "new", "source_type": "production_log"},
    ]
    append_once(lake, "examples", table_rows("examples", rows), batch_id="t")
    return lake


def test_a_model_is_registered_once_with_its_edges(lake: Lake) -> None:
    training = Training(drops=("d2", "d1"), base_model="old", adapter="support", checkpoint="s3://b/c")
    name, new = register(lake, training, now=NOW)
    again = register(lake, training, now=NOW.replace(year=2027))
    assert (new, again) == (True, (name, False))
    (row,) = registered(lake).to_dicts()
    assert (row["drop_ids"], row["registered_at"]) == (["d1", "d2"], NOW)
    edges = lake.scan("lineage").collect()
    assert set(edges.select("source_id", "target_kind", "target_id").rows()) == {
        ("d1", "model", name),
        ("d2", "model", name),
    }
    assert trained_on(lake, ["d1"])["model_id"].to_list() == [name]


def test_a_registered_model_never_changes(lake: Lake) -> None:
    register(lake, Training(drops=("d1",), base_model="old"), now=NOW, model_id="m")
    with pytest.raises(SettingsError, match="registered with other"):
        register(lake, Training(drops=("d2",), base_model="old"), now=NOW, model_id="m")


def test_a_drop_that_was_never_published_is_refused_and_nothing_written(lake: Lake) -> None:
    with pytest.raises(DropInvalid, match="d3"):
        register(lake, Training(drops=("d1", "d3"), base_model="old"), now=NOW)
    assert registered(lake).is_empty()
    assert lake.scan("lineage").collect().is_empty()


def test_a_new_base_names_models_drops_and_rows(lake: Lake) -> None:
    old, _ = register(lake, Training(drops=("d1",), base_model="old", adapter="a"), now=NOW)
    register(lake, Training(drops=("d1", "d2"), base_model="new"), now=NOW)
    (found,) = impact(lake, "new")
    assert (found.drop_id, found.models, found.adapters) == ("d1", [old], ["a"])
    assert (found.rows, found.stale, found.unknown, found.people) == (3, 1, 1, 1)
    assert {i.drop_id for i in impact(lake, "newest")} == {"d1", "d2"}
