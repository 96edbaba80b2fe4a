"""`tailrace drops rebuild` as a person runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.commands.drops import app as drops
from console.commands.models import app as models
from console.impact_commands import advice
from contracts.errors import DropInvalid
from contracts.settings import CurationSettings, Settings
from curation.drop_rows import finished
from curation.judge.base import make_judge
from curation.nightly import DropResult, make_drop
from sinks.drops.manifest import verify
from sinks.lake import Lake
from sinks.models import Impact, Training, register
from tests.curation.dialogues import edited, regenerated
from tests.factories import START
from tests.lakes import ingest, new_lake


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DropResult]:
    home = tmp_path_factory.mktemp("home")
    lake = new_lake(home / "lake")
    ingest(lake, edited("a") + regenerated("b"))
    settings = Settings(home=home, curation=CurationSettings(control_share=0.0))
    judge = make_judge(settings.judge, curation=settings.curation)
    return home, make_drop(lake, settings.drops_root, settings, judge, now_us=1_900_000_000_000_000)


def run(home: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(drops, ["rebuild", *map(str, arguments), "--home", str(home)])


def test_identical_lost_and_restored(built: tuple[Path, DropResult], tmp_path: Path) -> None:
    home, drop = built
    first = run(home, "latest", "--json")
    done = json.loads(first.stdout)
    assert first.exit_code == 0
    assert (done["drop_id"], done["identical"], done["published"]) == (drop.drop_id, True, "intact")
    assert {file["state"] for file in done["files"]} == {"same"}
    assert Path(done["folder"]) == home / "rebuilt" / drop.drop_id
    shutil.rmtree(drop.folder)
    told = run(home, drop.drop_id, "--out", tmp_path / "out")
    assert told.exit_code == 0
    assert "identical" in told.stderr
    assert "--restore" in told.stderr
    assert not drop.folder.exists()
    back = json.loads(run(home, drop.drop_id, "--restore", "--json").stdout)
    assert (back["published"], back["restored"]) == ("gone", True)
    assert verify(drop.folder) == []


def test_what_is_missing_is_listed_with_exit_code_1(built: tuple[Path, DropResult], tmp_path: Path) -> None:
    shutil.copytree(built[0], home := tmp_path / "home")
    lake = Lake(home / "lake")
    for name in ("requests", "signals"):
        for path in Path(lake.uri(name)).rglob("*.parquet"):
            path.unlink()
    told = run(home, "latest")
    assert told.exit_code == 1
    assert "cannot be rebuilt" in told.stderr
    assert [line.split(":")[0].rstrip("0123456789") for line in told.stdout.splitlines()] == [
        "- table requests version ",
        "- table signals version ",
    ]
    machine = run(home, "latest", "--json")
    assert machine.exit_code == 1
    said = json.loads(machine.stdout)
    assert said["identical"] is False
    assert len(said["problems"]) == 2


def test_a_difference_is_shown_with_exit_code_1(
    built: tuple[Path, DropResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.build.finished", lambda rows, *more: finished(rows[1:], *more))
    told = run(built[0], "latest", "--out", tmp_path / "out")
    assert told.exit_code == 1
    assert "differs" in told.stderr
    assert "provenance.parquet" in told.stdout


def test_a_drop_that_never_was_is_refused(built: tuple[Path, DropResult]) -> None:
    assert isinstance(run(built[0], "20260101-nothing").exception, DropInvalid)


def test_a_new_base_model_gets_a_command_and_a_reason_each(built: tuple[Path, DropResult]) -> None:
    home, drop = built
    training = Training(drops=(drop.drop_id,), base_model="base-7b")
    register(Lake(home / "lake"), training, now=START)
    shown = CliRunner().invoke(models, ["impact", "--base-model", "base-8b", "--home", str(home)])
    lines = shown.stdout.splitlines()
    at = lines.index(f"tailrace drops rebuild {drop.drop_id}")
    assert lines[at - 1].startswith("# the very rows the models were trained on")
    assert lines[at + 1].startswith("# when base-8b has answered requests")
    assert lines[at + 2].endswith("CHANNEL=default tailrace drop")


def test_advice_after_an_erasure_names_the_successor_and_quotes_what_is_typed() -> None:
    found = Impact(
        drop_id="d1",
        channel="my channel",
        as_of=START,
        models=["m"],
        adapters=[],
        rows=3,
        stale=2,
        unknown=0,
        people=1,
    )
    reproduce, replace = advice(found, "org/base 2", successor="d2")
    assert reproduce.command == "tailrace drops show d2"
    assert "erased" in reproduce.why
    assert (
        "TARGET_FAMILY='org/base 2' TAILRACE_CURATION__CHANNEL='my channel' tailrace drop" in replace.command
    )
    assert "2 stale rows" in replace.why
    assert "1 rows that people wrote" in advice(found, "b")[0].why
