"""Bounding history: what exactly-once, status and time travel rest on survives."""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl
import pytest

from sinks import maintenance_history
from sinks.lake import WATERMARK_KEY, Lake
from sinks.maintenance import Maintenance
from sinks.maintenance_history import align, housekeep, vacuum
from sinks.transactions import append_messages, append_once, append_revisions, stored_offset
from tests.factories import START_US, table_rows
from tests.sinks.crumbs import (
    DAY_US,
    NOW_US,
    age_log,
    content,
    fill,
    fill_interactions,
    grow_old,
    interactions,
    options,
    signals,
)


def clock_us() -> int:
    return time.time_ns() // 1000


def run_all(lake: Lake, now_us: int) -> None:
    maintenance = Maintenance(lake, options())
    while maintenance.due(now_us):
        assert not maintenance.run(now_us, 600.0).skipped


def log_files(lake: Lake, name: str, pattern: str = "*.json") -> int:
    return len(list((Path(lake.uri(name)) / "_delta_log").glob(pattern)))


def data_files(lake: Lake, name: str) -> int:
    return len(list(Path(lake.uri(name)).rglob("date=*/*.parquet")))


def test_exactly_once_survives_merge_checkpoint_log_cleanup_and_vacuum(lake: Lake) -> None:
    fill(lake, 12)
    append_messages(lake, "signals", "gone", signals(5, partition=3))
    append_once(lake, "models", table_rows("models", [{}]), batch_id="night-1")
    before = content(lake)
    run_all(lake, NOW_US)
    grow_old(lake, "signals", 90)
    for name in ("signals", "models"):
        housekeep(lake, name, options(), now_us=clock_us())
    assert data_files(lake, "signals") == 1
    fill(lake, 1, first=12)
    append_once(lake, "models", table_rows("models", [{}]), batch_id="night-2")
    for name in ("signals", "models"):
        lake.table(name).create_checkpoint()
        age_log(lake, name, 80)
        housekeep(lake, name, options(), now_us=clock_us())
        assert log_files(lake, name) == 1
    for offset in range(13):
        assert append_messages(lake, "signals", "t", signals(offset)) == 0
    assert append_messages(lake, "signals", "gone", signals(5, partition=3)) == 0
    assert append_once(lake, "models", table_rows("models", [{}]), batch_id="night-1") == 0
    assert stored_offset(lake.table("signals"), "gone", 3) == 5
    assert content(lake) == sorted([*before, "e0-12"])
    assert append_messages(lake, "signals", "t", signals(13)) == 1


def test_revisions_are_skipped_after_the_log_was_cleaned(lake: Lake) -> None:
    memory: dict[str, int] = {}
    for n in range(9):
        append_revisions(lake, interactions(f"r{n}"), written=memory)
    run_all(lake, NOW_US)
    lake.table("interactions").create_checkpoint()
    age_log(lake, "interactions", 80)
    housekeep(lake, "interactions", options(), now_us=clock_us())
    assert log_files(lake, "interactions") == 1
    assert append_revisions(lake, interactions("r3")) == 0
    assert append_revisions(lake, interactions("r9"), written=memory) == 1
    assert len(content(lake, "interactions")) == 10


def test_watermarks_survive_log_cleanup_and_many_other_commits(lake: Lake) -> None:
    fill_interactions(lake, 9, watermark=START_US)
    expected = {0: START_US + 8, 1: START_US}
    for n in range(3):
        append_revisions(lake, interactions(f"settled{n}"))
    for days in (90, 80):
        housekeep(lake, "interactions", options(), now_us=clock_us())
        lake.table("interactions").create_checkpoint()
        age_log(lake, "interactions", days)
    lake.table("interactions").cleanup_metadata()
    assert not any(WATERMARK_KEY in commit for commit in lake.table("interactions").history())
    assert lake.watermarks() == expected
    append_revisions(lake, interactions("new"), watermarks={1: START_US + 99})
    assert lake.watermarks() == {0: START_US + 8, 1: START_US + 99}


def test_a_watermark_noted_while_they_were_being_stored_counts(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_interactions(lake, 2, watermark=START_US)
    real = maintenance_history.set_properties

    def overtaken(*arguments: object) -> None:
        append_revisions(Lake(lake.root), interactions("between"), watermarks={1: START_US + 50})
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(maintenance_history, "set_properties", overtaken)
    assert align(lake, "interactions", options())
    assert lake.watermarks() == {0: START_US + 1, 1: START_US + 50}


def test_every_version_of_the_retention_stays_readable(lake: Lake) -> None:
    # 50 days ago: 9 files, merged 40 days ago. 35 days ago: 8 more, merged with the rest 10 days ago.
    everything: set[Path] = set()
    everything = grow_old(lake, "signals", 60, since=everything)
    fill(lake, 9)
    everything = grow_old(lake, "signals", 50, since=everything)
    run_all(lake, NOW_US)
    everything = grow_old(lake, "signals", 40, since=everything)
    fill(lake, 8, first=9)
    thirty_days_ago, then = lake.version("signals"), content(lake)
    everything = grow_old(lake, "signals", 35, since=everything)
    run_all(lake, NOW_US + DAY_US)
    grow_old(lake, "signals", 10, since=everything)
    fill(lake, 1, first=17)
    # Tombstones are out of the log by now: the files can only be told apart by what old versions need.
    lake.table("signals").create_checkpoint()
    by_age = lake.table("signals").vacuum(30 * 24, full=True, enforce_retention_duration=False)
    assert len(by_age) == 9
    assert vacuum(lake, "signals", options(), now_us=clock_us()) == []
    for version in range(thirty_days_ago, lake.version("signals") + 1):
        assert set(content(lake, version=version)) >= set(then)
    assert content(lake, version=thirty_days_ago) == then
    with pytest.raises((FileNotFoundError, pl.exceptions.ComputeError, OSError)):
        content(lake, version=5)


def test_the_content_version_is_that_of_the_last_change_of_rows(lake: Lake) -> None:
    fill(lake, 9)
    assert lake.content_version("signals") == lake.version("signals") == 9
    run_all(lake, NOW_US)
    assert lake.version("signals") > 9
    assert lake.content_version("signals") == 9
    fill(lake, 1, first=9)
    assert lake.content_version("signals") == lake.version("signals")
    lake.table("signals").create_checkpoint()
    run_all(lake, NOW_US + DAY_US)
    age_log(lake, "signals", 80)
    lake.table("signals").create_checkpoint()
    age_log(lake, "signals", 70)
    lake.table("signals").cleanup_metadata()
    assert len(content(lake, version=lake.content_version("signals"))) == 10


def test_files_of_a_write_in_progress_are_left_alone(lake: Lake) -> None:
    fill(lake, 1)
    folder = next(Path(lake.uri("signals")).glob("date=*"))
    (folder / "being-written.parquet").write_bytes(b"PAR1")
    assert vacuum(lake, "signals", options(), now_us=clock_us()) == []
    grow_old(lake, "signals", 100)
    assert [Path(f).name for f in vacuum(lake, "signals", options(), now_us=clock_us())] == [
        "being-written.parquet"
    ]
    assert len(content(lake)) == 1


def test_looking_deletes_nothing_and_a_shorter_retention_is_not_obeyed(lake: Lake) -> None:
    fill(lake, 9)
    run_all(lake, NOW_US)
    grow_old(lake, "signals", 20)
    before, version = data_files(lake, "signals"), lake.version("signals")
    assert vacuum(lake, "signals", options(), now_us=clock_us(), days=1) == []
    found = vacuum(lake, "signals", options(retention_days=7), now_us=clock_us(), dry_run=True)
    assert len(found) == 9
    assert (data_files(lake, "signals"), lake.version("signals")) == (before, version)
