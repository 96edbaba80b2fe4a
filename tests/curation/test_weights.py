"""Which score is in force, and when a weights file is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SettingsError, WeightsInvalid
from contracts.settings import CurationSettings, Settings
from curation.scoring import DEFAULT_MODEL, PRIOR_WEIGHTS, ScoreModel
from curation.weights import encode_weights, install, read_weights, resolve_model, weights_path
from streams.fleet import JoinFleet
from streams.identity import Identity
from tests.lakes import new_lake

FITTED = ScoreModel(weights={**PRIOR_WEIGHTS, "copy": 0.25}, intercept=-1.0, origin="fitted")


def test_without_a_file_the_priors_are_in_force(tmp_path: Path) -> None:
    assert resolve_model(Settings(home=tmp_path)) is DEFAULT_MODEL


def test_a_file_in_the_home_folder_is_in_force(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    install(weights_path(settings), encode_weights(FITTED, {"labels": "outcomes"}))
    found = resolve_model(settings)
    assert (found.version, found.weights, found.intercept) == (FITTED.version, FITTED.weights, -1.0)
    assert found.version.startswith("fitted-")
    assert sorted(p.name for p in weights_path(settings).parent.iterdir()) == ["weights.json"]


def test_a_fleet_finds_the_same_weights_for_all_its_members(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    install(weights_path(settings), encode_weights(FITTED, {}))
    lake = new_lake(tmp_path / "lake")
    fleet = JoinFleet(settings, lake, Identity(b"key", held_out_share=0.0), processes=2)
    assert fleet._model.version == FITTED.version


def test_the_file_that_the_settings_name(tmp_path: Path) -> None:
    named = tmp_path / "elsewhere.json"
    settings = Settings(home=tmp_path, curation=CurationSettings(weights=str(named)))
    with pytest.raises(SettingsError, match="is not a file") as caught:
        resolve_model(settings)
    assert caught.value.hint
    install(named, encode_weights(FITTED, {}))
    assert resolve_model(settings).version == FITTED.version


def test_the_same_fit_makes_the_same_bytes() -> None:
    other = ScoreModel(dict(reversed(FITTED.weights.items())), FITTED.intercept, FITTED.origin)
    assert encode_weights(FITTED, {"a": 1}) == encode_weights(other, {"a": 1})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": {**FITTED.weights, "copy": 9.0}}, "its weights make"),
        ({"weights": {"copy": 1.0}}, "other evidence"),
        ({"shape": [1.0]}, "other evidence"),
        ({"format": 2}, "format 2"),
        ({"intercept": "much"}, "no weights file"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "weights.json"
    path.write_text(json.dumps(json.loads(encode_weights(FITTED, {})) | change))
    with pytest.raises(WeightsInvalid, match=words) as caught:
        read_weights(path)
    assert caught.value.hint


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    path.write_bytes(b"{")
    with pytest.raises(WeightsInvalid, match="no weights file"):
        read_weights(path)


def test_a_place_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsInvalid, match="cannot be written"):
        install(tmp_path / "file" / "weights.json", b"{}")
