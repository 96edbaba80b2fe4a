"""`tailrace drops push` as people run it: killed and run again, with and without what it needs."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from console.commands.drops_push import drops_push
from contracts.errors import DropInvalid, PushRefused, SettingsError
from sinks.drops.marks import mark_superseded
from sinks.push.copies import copies_of
from sinks.push.destination import parse
from sinks.push.folder import UNFINISHED
from sinks.push.hub import HubTarget
from sinks.push.target import Options
from tests.drop_files import files_of
from tests.sinks.push.conftest import Home
from tests.stores.hub import Hub
from tests.stores.s3 import S3Store
from tests.warm.process import CHECKOUT, WarmProcess

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")
runner = CliRunner(env={"COLUMNS": "160"})
command = typer.Typer()
command.command()(drops_push)


def run(home: Home, *arguments: str, code: int = 0) -> str:
    result = runner.invoke(command, [*arguments, "--home", str(home.settings.home)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return str(result.stdout)


def killed(home: Home, reached: Callable[[], Any], *arguments: str, **environment: str) -> None:
    """Run it in a process of its own and kill that as soon as something is reached."""
    with tempfile.TemporaryFile() as said:
        process = WarmProcess(
            "console",
            ["drops", "push", *arguments, "--home", str(home.settings.home)],
            environment={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
            stdout=said,
            stderr=said,
        )
        try:
            end = time.monotonic() + 60
            while not reached():
                assert time.monotonic() < end
                if process.poll() is not None:
                    said.seek(0)
                    raise AssertionError(said.read().decode())
                time.sleep(0.002)
        finally:
            process.kill()
            process.wait(20)


def test_a_push_to_a_store_goes_on_after_a_kill(home: Home, s3: S3Store) -> None:
    drop = home.publish()
    s3.gate.clear()
    s3.gate_after = 3
    killed(home, s3.waiting.is_set, drop, "s3://copies/x")
    assert s3.gone.wait(20)
    s3.gate.set()
    before = s3.files(f"copies/x/{drop}/")
    assert len(before) == 3
    assert "manifest.json" not in before
    assert [copy["whole"] for copy in copies_of(home.lake, [drop])] == [False]
    done = json.loads(run(home, "latest", "s3://copies/x", "--json"))
    assert (done["sent"], done["kept"], done["latest_moved"]) == (4, 3, True)
    assert {f["name"] for f in done["files"] if not f["sent"]} == set(before)
    assert s3.files(f"copies/x/{drop}/") == files_of(home.folder(drop))
    assert [copy["whole"] for copy in copies_of(home.lake, [drop])] == [True]


def test_a_push_to_a_folder_goes_on_after_a_kill(home: Home, tmp_path: Path) -> None:
    drop, there = home.publish(large=48 << 20), tmp_path / "there"
    killed(home, lambda: any(there.rglob(f"{UNFINISHED}*train.parquet")), drop, str(there))
    assert not (there / drop / "manifest.json").exists()
    assert not (there / "LATEST").exists()
    done = json.loads(run(home, drop, str(there), "--json"))
    assert done["latest_moved"] is True
    assert files_of(there) == {
        "LATEST": f"{drop}\n".encode(),
        **{f"{drop}/{name}": data for name, data in files_of(home.folder(drop)).items()},
    }


def test_a_push_to_the_hub_goes_on_after_a_kill(
    home: Home, web: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = home.publish()
    web.gate.clear()
    web.gate_after = 2
    killed(home, web.waiting.is_set, drop, "hf://datasets/org/drops", HF_ENDPOINT=web.url)
    assert web.gone.wait(20)
    web.gate.set()
    assert web.repos["org/drops"].files() == {}
    uploaded = web.calls["upload"] - 1
    assert len(web.store) == uploaded == 2
    repository = "hf://datasets/org/drops"
    done = home.push(drop, repository, HubTarget(parse(repository), Options(), endpoint=web.url))
    assert done.commit == web.repos["org/drops"].tags[drop]
    assert web.repos["org/drops"].files() == files_of(home.folder(drop))
    assert web.calls["upload"] == uploaded + 1 + len(web.store) - 2


def test_what_people_see(home: Home, tmp_path: Path) -> None:
    drop = home.publish()
    there = str(tmp_path / "elsewhere")
    assert "to send" in run(home, drop, there, "--dry-run")
    assert not Path(there).exists()
    text = run(home, drop, there)
    assert "preference/train.parquet" in text
    assert there in text
    assert json.loads(run(home, drop, there, "--json"))["sent"] == 0


def test_copies_that_a_successor_outlives_are_named(home: Home, tmp_path: Path) -> None:
    old, new = home.publish(1), home.publish(2)
    there = str(tmp_path / "[red]there")
    assert json.loads(run(home, old, there, "--json"))["superseded_copies"] == []
    now = datetime(2026, 11, 25, tzinfo=UTC)
    mark_superseded(home.lake, old, new, reason="erasure", removed_rows=1, models=[], now=now)
    (copy,) = json.loads(run(home, new, there, "--json"))["superseded_copies"]
    assert (copy["drop_id"], copy["destination"]) == (old, there)
    result = runner.invoke(command, [new, there, "--home", str(home.settings.home)])
    assert old in result.output
    assert "[red]there" in result.output.replace("\n", "")


def test_mistakes_are_errors_with_hints(home: Home, tmp_path: Path) -> None:
    drop = home.publish()
    cases: list[tuple[type[Exception], list[str]]] = [
        (SettingsError, [drop, "ftp://host/x"]),
        (SettingsError, [drop, str(tmp_path / "x"), "--revision", "next"]),
        (SettingsError, [drop, str(tmp_path / "x"), "--public"]),
        (DropInvalid, ["no-such-drop", str(tmp_path / "x")]),
    ]
    (tmp_path / "file").write_text("x")
    cases.append((PushRefused, [drop, str(tmp_path / "file")]))
    for kind, arguments in cases:
        result = runner.invoke(command, [*arguments, "--home", str(home.settings.home)])
        error: Any = result.exception
        assert isinstance(error, kind), result.output
        assert error.hint
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("package", "where"), [("obstore", "s3://copies/x"), ("huggingface_hub", "hf://datasets/org/drops")]
)
def test_without_the_extra_it_says_what_to_install(
    home: Home, monkeypatch: pytest.MonkeyPatch, package: str, where: str
) -> None:
    drop = home.publish()
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    result = runner.invoke(command, [drop, where, "--home", str(home.settings.home)])
    assert isinstance(result.exception, SettingsError)
    assert "tailrace[push]" in (result.exception.hint or "")
