"""`tailrace lake layout | compact | vacuum`, as a person or a script uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.commands.lake import app
from contracts.errors import SettingsError, TailraceError, TerminalError
from sinks.lake import Lake
from tests.sinks.crumbs import content, fill, grow_old

runner = CliRunner(env={"COLUMNS": "160"})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lake = Lake(tmp_path / "tailrace-home" / "lake")
    lake.create()
    fill(lake, 10)
    return tmp_path / "tailrace-home"


def lake_of(home: Path) -> Lake:
    return Lake(home / "lake")


def answer(*arguments: str) -> Any:
    result = runner.invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: str) -> TailraceError:
    result = runner.invoke(app, list(arguments))
    assert isinstance(result.exception, TailraceError), result.output
    assert result.exception.hint
    return result.exception


def test_layout_shows_files_rows_and_logs(home: Path) -> None:
    found = answer("layout")
    (day,) = found["days"]
    assert (day["table"], day["date"], day["files"], day["rows"]) == ("signals", "2026-03-01", 10, 10)
    assert 0 < day["min_mb"] <= day["median_mb"] <= day["max_mb"] < day["total_mb"]
    log = next(log for log in found["logs"] if log["table"] == "signals")
    assert log["version"] == 10
    assert log["files"] >= 11
    text = runner.invoke(app, ["layout", "--table", "signals"]).stdout
    assert "2026-03-01" in text
    assert "requests" not in text


def test_compact_merges_and_says_so(home: Path) -> None:
    before = content(lake_of(home))
    planned = answer("compact", "--dry-run")["planned"]
    assert [(row["table"], row["files"]) for row in planned] == [("signals", 10)]
    assert answer("layout")["days"][0]["files"] == 10
    assert answer("compact", "--table", "outcomes")["merged"] == []
    done = answer("compact")
    assert [(m["table"], m["files_before"], m["files_after"]) for m in done["merged"]] == [("signals", 10, 1)]
    assert answer("layout")["days"][0]["files"] == 1
    assert content(lake_of(home)) == before
    assert "nothing to merge" in runner.invoke(app, ["compact"]).output


def test_a_merge_that_fails_is_an_exit_code(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from console.commands import lake as commands
    from contracts.errors import CommitFenced

    def unlucky(*_: object) -> None:
        raise CommitFenced("somebody else was faster")

    monkeypatch.setattr(commands, "merge", unlucky)
    result = runner.invoke(app, ["compact", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"] == {"signals 2026-03-01": "somebody else was faster"}


def test_vacuum_deletes_only_what_is_old_enough(home: Path) -> None:
    answer("compact")
    assert answer("vacuum")["files"]["signals"] == 0
    grow_old(lake_of(home), "signals", 40)
    assert answer("vacuum", "--retention-days", "50")["files"]["signals"] == 0
    assert answer("vacuum", "--dry-run")["files"]["signals"] == 10
    folder = home / "lake" / "signals"
    assert len(list(folder.rglob("date=*/*.parquet"))) == 11
    assert "10 files deleted" in runner.invoke(app, ["vacuum"]).output
    assert len(list(folder.rglob("date=*/*.parquet"))) == 1
    assert len(content(lake_of(home))) == 10


def test_a_retention_below_the_setting_is_refused(home: Path) -> None:
    error = refused("vacuum", "--retention-days", "1")
    assert isinstance(error, SettingsError)
    assert "30" in str(error)


def test_unknown_tables_and_missing_lakes_are_said_so(home: Path, tmp_path: Path) -> None:
    assert "nonsense" in str(refused("compact", "--table", "nonsense"))
    assert isinstance(refused("layout", "--home", str(tmp_path / "nowhere")), TerminalError)
