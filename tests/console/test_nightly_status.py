"""`tailrace status` says where the nightly build stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from console.commands.lake import nightly_line
from contracts.settings import NightlySettings
from sinks.nightly_runs import FAILED, PUBLISHED, RUNNING, SCHEDULED, Run, begin, claim, end
from streams.reactions.nights import overview
from tests.console.commands import tailrace
from tests.lakes import new_lake

NIGHT = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
SETTINGS = NightlySettings(enabled=True)


def run(
    state: str, attempt: int = 1, *, minutes: int = 5, drop_id: str | None = None, detail: str = ""
) -> Run:
    at = NIGHT + timedelta(minutes=minutes)
    return Run(NIGHT, "default", attempt, state, state == PUBLISHED, "w", at, drop_id, detail or None)


def line(*runs: Run, minutes: int = 6) -> str:
    return nightly_line(overview(runs, NIGHT + timedelta(minutes=minutes), SETTINGS))


def test_the_line_for_people() -> None:
    assert line(run(PUBLISHED, drop_id="20261125-abc")) == (
        "nightly: next 2026-11-26 02:30Z · night of 2026-11-25 02:30Z published at 02:35:00Z · "
        "drop 20261125-abc"
    )
    assert "failed at 02:35:00Z · 1 failed attempts · [the disk] is away" in line(
        run(FAILED, detail="[the disk] is away")
    )
    assert "running" in line(run(RUNNING))
    assert "silent" in line(run(RUNNING), minutes=60)
    assert nightly_line(overview([], NIGHT, NightlySettings())) == "nightly: no schedule (nightly.enabled)"
    assert line(run(SCHEDULED, 0)) == "nightly: next 2026-11-26 02:30Z"


def test_the_command_reads_it_from_the_lake(tmp_path: Path) -> None:
    home = tmp_path / "tailrace-home"
    lake = new_lake(home / "lake")
    begin(lake, run(SCHEDULED, 0))
    claim(lake, run("claimed"))
    end(lake, run(PUBLISHED, drop_id="20261125-abc"))
    on = {"TAILRACE_NIGHTLY__ENABLED": "true", "TAILRACE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    shown = tailrace("status", "--home", home, cwd=tmp_path, **on)
    assert shown.returncode == 0, shown.stderr
    (line,) = (line for line in shown.stdout.splitlines() if line.startswith("nightly: next "))
    assert line.endswith("night of 2026-11-25 02:30Z published at 02:35:00Z · drop 20261125-abc")
