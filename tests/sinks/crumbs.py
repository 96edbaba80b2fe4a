"""Lakes full of small files, and a clock that lets them grow old."""

from __future__ import annotations

import json
import os
import time
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from contracts.settings import LakeSettings
from sinks.lake import Lake
from sinks.transactions import append_messages, append_revisions
from tests.factories import START, START_US, table_rows

DAY_US = 86_400_000_000
NOW_US = START_US + 10 * DAY_US
"""A clock long after the first day."""

FIRST_DAY = START.date()


def signals(offset: int, *, day: date = FIRST_DAY, partition: int = 0) -> pl.DataFrame:
    """One signal row."""
    row = {"event_id": f"e{partition}-{offset}", "offset": offset, "partition": partition, "date": day}
    return table_rows("signals", [row])


def interactions(name: str, *, day: date = FIRST_DAY, partition: int = 0) -> pl.DataFrame:
    """One interaction row."""
    return table_rows("interactions", [{"request_id": name, "partition": partition, "date": day}])


def fill(lake: Lake, files: int, *, day: date = FIRST_DAY, first: int = 0) -> None:
    """Append that many files of one row to `signals`."""
    for offset in range(first, first + files):
        append_messages(lake, "signals", "t", signals(offset, day=day))


def fill_interactions(lake: Lake, files: int, *, watermark: int) -> None:
    """Append that many files of one row to `interactions`."""
    for n in range(files):
        append_revisions(lake, interactions(f"r{n}"), watermarks={0: watermark + n, 1: watermark})


def content(lake: Lake, name: str = "signals", *, version: int | None = None) -> list[str]:
    """The ids a table holds, repeats included."""
    key = "event_id" if name == "signals" else "request_id"
    return sorted(lake.scan(name, version=version).select(key).collect()[key])


def options(**fields: object) -> LakeSettings:
    """Lake settings with some changed."""
    return LakeSettings(**fields)  # type: ignore[arg-type]


def next_day(days: int = 1) -> date:
    """A day after the first."""
    return FIRST_DAY + timedelta(days=days)


def grow_old(lake: Lake, name: str, days: float, *, since: set[Path] | None = None) -> set[Path]:
    """Make every file of a table that is not in `since` that many days older than now.

    Both the times of the files and those in the log. Checkpoints, which repeat times and cannot be
    edited, are removed: nothing was cleaned out of the log yet. Returns all files of the table.
    """
    moment = time.time() - days * 86_400
    log = Path(lake.uri(name)) / "_delta_log"
    assert (log / f"{0:020}.json").exists()
    for checkpoint in [*log.glob("*.checkpoint.parquet"), log / "_last_checkpoint"]:
        checkpoint.unlink(missing_ok=True)
    found = {path for path in Path(lake.uri(name)).rglob("*") if path.is_file()}
    for path in found - (since or set()):
        if path.suffix == ".json":
            _backdate(path, round(moment * 1000))
        os.utime(path, (moment, moment))
    return found


def age_log(lake: Lake, name: str, days: float) -> None:
    """Make the files of a table's log that many days older, checkpoints too."""
    moment = time.time() - days * 86_400
    for path in (Path(lake.uri(name)) / "_delta_log").iterdir():
        os.utime(path, (moment, moment))


def _backdate(commit: Path, moment_ms: int) -> None:
    actions = [json.loads(line) for line in commit.read_text().splitlines() if line.strip()]
    for action in actions:
        if "commitInfo" in action:
            action["commitInfo"]["timestamp"] = moment_ms
        if "remove" in action:
            action["remove"]["deletionTimestamp"] = moment_ms
    commit.write_text("".join(json.dumps(action) + "\n" for action in actions))
