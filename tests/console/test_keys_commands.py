"""`tailrace keys`, as an operator uses it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from console.commands.erase import erase
from console.commands.keys import app
from contracts.errors import KeyOutdated, RotationPending, SettingsError
from contracts.pseudonyms import version_of
from contracts.settings import CurationSettings, load_settings
from sinks.lake import Lake
from streams.pseudonym_key import KEY_FILE, load_ring, make_identity
from tests.console.test_erase_commands import refused, run
from tests.curation.dialogues import edited
from tests.lakes import ingest, new_lake

KEY, PREVIOUS = "TAILRACE_PRIVACY__PSEUDONYM_KEY", "TAILRACE_PRIVACY__PREVIOUS_PSEUDONYM_KEYS"
SEED = "TAILRACE_PRIVACY__PSEUDONYM_SEED"
command = typer.Typer()
command.command()(erase)
runner = CliRunner(env={"COLUMNS": "160"})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("filled") / "lake"
    ingest(new_lake(root), edited("anna-0001") + edited("bert-0002"))
    return root


@pytest.fixture
def home(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(KEY, raising=False)
    home = tmp_path / "tailrace-home"
    shutil.copytree(filled, home / "lake")
    # The key that `tests.lakes` stores events with, as an earlier release kept it.
    (home / KEY_FILE).write_text("test")
    return home


def keys(home: Path) -> list[str]:
    return sorted(
        Lake(home / "lake", hashes=lambda: make_identity(load_settings())).requests().collect()["user_key"]
    )


def answer(*arguments: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(app, *arguments, "--json", code=code))
    return found


def test_a_rotation_from_look_to_proof(home: Path) -> None:
    before = keys(home)
    assert answer("status")["settled"]
    looked = answer("rotate", "--dry-run")
    assert {t["table"]: t["older"] for t in looked["tables"]}["requests"] == 2
    assert keys(home) == before
    assert (home / KEY_FILE).read_text() == "test"
    result = runner.invoke(app, ["rotate"], catch_exceptions=False)
    assert result.exit_code == 0
    file = home / KEY_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    made = json.loads(file.read_text())["keys"]
    assert len(made) == 2
    assert made[1] not in result.output
    assert not [
        p for p in home.rglob("*") if p.is_file() and p != file and made[1].encode() in p.read_bytes()
    ]
    assert {version_of(key) for key in keys(home)} == {2}
    assert answer("status") == {**answer("status"), "keys": 2, "settled": True}
    # People are found by the ids applications send, and by pseudonyms from before.
    for given in (("--user", "user-anna-0001"), ("--user-key", before[0]), ("--user-key", keys(home)[0])):
        seen = json.loads(run(command, *given, "--dry-run", "--json"))
        assert seen["tables"]["requests"]["removed"] == 1
    # Another one replaces the second.
    assert answer("rotate")["key"] == 3
    assert len(load_ring(load_settings()).keys) == 3


def test_keys_of_the_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "test")
    assert "previous_pseudonym_keys" in (refused(app, "rotate").hint or "")
    monkeypatch.setenv(PREVIOUS, '["test"]')
    assert isinstance(refused(app, "rotate"), SettingsError)
    monkeypatch.setenv(KEY, "another")
    monkeypatch.setenv(SEED, str(CurationSettings().seed + 1))
    assert "train and validation" in (refused(app, "rotate").hint or "")
    monkeypatch.setenv(SEED, str(CurationSettings().seed))
    # Before the lake follows, nobody is looked up under a key it does not have.
    assert isinstance(refused(command, "--user", "user-anna-0001", "--dry-run"), RotationPending)
    assert answer("status", code=1)["settled"] is False
    done = answer("rotate")
    assert (done["key"], done["resumed"], done["rows"]["requests"]) == (2, True, 2)
    assert {version_of(key) for key in keys(home)} == {2}
    # And afterwards nobody under the old one.
    monkeypatch.delenv(PREVIOUS)
    monkeypatch.setenv(KEY, "test")
    assert isinstance(refused(command, "--user", "user-anna-0001", "--dry-run"), KeyOutdated)
    assert isinstance(refused(app, "rotate"), KeyOutdated)
