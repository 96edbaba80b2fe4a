"""`tailrace erase` and `tailrace retention`, as a person or a script uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from console.commands.audit import app as audit_app
from console.commands.erase import erase
from console.commands.retention import app as retention
from contracts.errors import ErasureRefused, SettingsError, TailraceError
from contracts.settings import load_settings
from curation.erasure.other_files import TRUTH
from sinks.lake import Lake
from streams.pseudonym_key import make_identity
from tests.curation.dialogues import edited, turned_out
from tests.lakes import ingest, new_lake

runner = CliRunner(env={"COLUMNS": "160"})
command = typer.Typer()
command.command()(erase)
KEY = "TAILRACE_PRIVACY__PSEUDONYM_KEY"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # The key that `tests.lakes` stores events with.
    monkeypatch.setenv(KEY, "test")
    monkeypatch.setenv("TAILRACE_RETENTION__GRACE_SECONDS", "0")
    lake = new_lake(tmp_path / "tailrace-home" / "lake")
    ingest(lake, edited("anna-0001") + turned_out("anna-0001", False) + edited("bert-0002"))
    return tmp_path / "tailrace-home"


def run(app: typer.Typer, *arguments: str, code: int = 0, **options: Any) -> str:
    result = runner.invoke(app, list(arguments), catch_exceptions=False, **options)
    assert result.exit_code == code, result.output
    return str(result.stdout)


def refused(app: typer.Typer, *arguments: str) -> TailraceError:
    result = runner.invoke(app, list(arguments))
    assert isinstance(result.exception, TailraceError), result.output
    assert result.exception.hint
    return result.exception


def people(home: Path) -> int:
    return Lake(home / "lake").scan("requests").collect()["user_key"].n_unique()


def test_erase_asks_and_does_nothing_without_a_yes(home: Path) -> None:
    text = run(command, "--user", "user-anna-0001", code=1, input="n\n")
    assert "requests" in text
    assert people(home) == 2
    assert not (home / "erasures").exists()


def test_erase_removes_proves_and_writes_a_certificate(home: Path) -> None:
    seen = json.loads(run(command, "--user", "user-anna-0001", "--dry-run", "--json"))
    assert (seen["state"], seen["tables"]["requests"]["removed"]) == (None, 1)
    found = json.loads(run(command, "--user", "user-anna-0001", "--yes", "--json"))
    assert found["absent"] is True
    assert people(home) == 1
    assert json.loads(Path(found["file"]).read_text())["erasure_id"] == found["erasure_id"]
    text = run(command, "--user", "user-anna-0001", "--yes")
    assert found["erasure_id"] in text
    assert json.loads(run(command, "--user", "user-anna-0001", "--dry-run", "--json"))["state"] == "proven"


def test_by_pseudonym(home: Path) -> None:
    key = make_identity(load_settings()).user_key("user-anna-0001")
    assert json.loads(run(command, "--user-key", key, "--yes", "--json"))["absent"] is True
    assert people(home) == 1


def test_what_is_found_elsewhere_fails_with_the_place(home: Path) -> None:
    (home / "notes.txt").write_text("user-anna-0001 called")
    text = run(command, "--user", "user-anna-0001", "--yes", code=1)
    assert "home/notes.txt" in text
    assert "user-anna-0001" not in text


def test_what_a_demo_knows_of_the_person_goes(home: Path) -> None:
    truth = home / TRUTH
    truth.write_text('{"request_id":"request-anna-0001"}\n{"request_id":"request-bert-0002"}\n')
    assert json.loads(run(command, "--user", "user-anna-0001", "--yes", "--json"))["absent"] is True
    assert truth.read_text() == '{"request_id":"request-bert-0002"}\n'


def test_erase_needs_to_know_whom_and_a_yes_from_a_script(home: Path) -> None:
    for wrong in ([], ["--user", "a", "--user-key", "0" * 32], ["--user-key", "xyz"], ["--user", ""]):
        run(command, *wrong, "--yes", code=2)
    assert isinstance(refused(command, "--user", "user-anna-0001", "--json"), SettingsError)
    assert people(home) == 2


def test_a_hold_keeps_a_person_from_erasure_and_retention(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = json.loads(
        run(retention, "hold", "--user", "user-anna-0001", "--reason", "a court says so", "--json")
    )
    assert isinstance(refused(command, "--user", "user-anna-0001", "--yes"), ErasureRefused)
    monkeypatch.setenv("TAILRACE_RETENTION__DAYS", '{"requests": 30}')
    dry = json.loads(run(retention, "apply", "--dry-run", "--json"))
    assert [(t["table"], t["removed"], t["kept_by_hold"]) for t in dry["tables"]] == [("requests", 1, 1)]
    assert people(home) == 2
    assert "requests" in run(retention, "apply")
    assert people(home) == 1
    assert [h["hold_id"] for h in json.loads(run(retention, "holds", "--json"))] == [held["hold_id"]]
    run(retention, "release", held["hold_id"], "--reason", "the case is over")
    assert json.loads(run(retention, "holds", "--json")) == []
    assert json.loads(run(command, "--user", "user-anna-0001", "--yes", "--json"))["absent"] is True


def test_retention_without_days_and_holds_of_nothing_are_refused(home: Path) -> None:
    assert isinstance(refused(retention, "apply"), SettingsError)
    assert isinstance(refused(retention, "hold", "--reason", "r"), SettingsError)
    assert isinstance(refused(retention, "hold", "--reason", "r", "--table", "nothing"), SettingsError)
    assert isinstance(
        refused(retention, "hold", "--reason", "r", "--table", "requests", "--user", "u"), SettingsError
    )
    assert people(home) == 2


def test_nobody_is_looked_for_without_a_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key made on the spot would find nobody, and an erasure would prove the absence of a stranger."""
    monkeypatch.delenv(KEY)
    for asked in (["--dry-run"], ["--yes"]):
        assert "no pseudonym key" in str(refused(command, "--user", "user-anna-0001", *asked))
    assert "no pseudonym key" in str(refused(audit_app, "user", "user-anna-0001"))
    assert not (home / "pseudonym.key").exists()
    assert people(home) == 2
