"""Merging files changes no row, no transaction, no older version; and it never happens twice."""

from __future__ import annotations

import itertools
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from contracts.errors import CommitFenced, LakeUnavailable
from contracts.settings import LakeSettings
from sinks import maintenance_compaction
from sinks.lake import Lake
from sinks.maintenance import Maintenance, MaintenanceThread, Report, plan
from sinks.maintenance_compaction import claim, merge
from sinks.maintenance_layout import Step, day_files
from sinks.transactions import append_messages, stored_offset
from tests.factories import START_US, table_rows
from tests.sinks.crumbs import (
    DAY_US,
    FIRST_DAY,
    NOW_US,
    content,
    fill,
    fill_interactions,
    next_day,
    options,
    signals,
)

MINUTE_US = 60_000_000


def finished(lake: Lake, now_us: int = NOW_US, settings: LakeSettings | None = None) -> Report:
    """Run until nothing is due; what was done in all."""
    maintenance, total = Maintenance(lake, settings or options()), Report()
    while maintenance.due(now_us):
        report = maintenance.run(now_us, 0.0)
        total.merged += report.merged
        total.kept += report.kept
        total.skipped |= report.skipped
    return total


def file_counts(lake: Lake, name: str = "signals") -> dict[date | None, int]:
    return {found.day: len(found.sizes) for found in day_files(name, lake.table(name))}


def only_step(lake: Lake) -> Step:
    (step,) = plan(lake, "signals", options(), NOW_US)
    return step


def test_crumbs_become_one_file_per_day_with_the_same_rows(lake: Lake) -> None:
    fill(lake, 12)
    fill(lake, 9, day=next_day(), first=12)
    before = content(lake)
    report = finished(lake)
    assert file_counts(lake) == {FIRST_DAY: 1, next_day(): 1}
    assert content(lake) == before
    assert [(m.files_before, m.files_after) for m in report.merged] == [(12, 1), (9, 1)]
    assert not report.skipped
    assert not finished(lake).merged


def test_files_that_came_after_the_plan_are_merged_and_counted(lake: Lake) -> None:
    fill(lake, 4)
    step = only_step(lake)
    fill(lake, 6, first=4)
    done = merge(lake, step, options())
    assert (done.files_before, done.files_after) == (10, 1)
    assert file_counts(lake) == {FIRST_DAY: 1}


def test_older_versions_stay_readable(lake: Lake) -> None:
    fill(lake, 10)
    version, before = lake.version("signals"), content(lake)
    finished(lake)
    assert content(lake, version=version) == before


def test_a_recent_day_is_not_touched(lake: Lake) -> None:
    fill(lake, 10)
    fill(lake, 10, day=next_day(), first=10)
    two_days_on = START_US + 2 * DAY_US
    report = finished(lake, two_days_on)
    assert [m.step.day for m in report.merged] == [FIRST_DAY]
    assert file_counts(lake) == {FIRST_DAY: 1, next_day(): 10}


def test_a_recent_day_with_very_many_files_is_rolled_up(lake: Lake) -> None:
    fill(lake, 10)
    finished(lake, START_US, options(rollup_files=0))
    assert file_counts(lake) == {FIRST_DAY: 10}
    finished(lake, START_US, options(rollup_files=9))
    assert file_counts(lake) == {FIRST_DAY: 1}
    assert len(content(lake)) == 10


def test_appends_that_were_stored_are_still_skipped(lake: Lake) -> None:
    fill(lake, 10)
    finished(lake)
    for offset in range(10):
        assert append_messages(lake, "signals", "t", signals(offset)) == 0
    assert stored_offset(lake.table("signals"), "t", 0) == 9
    assert append_messages(lake, "signals", "t", signals(10)) == 1


def test_a_merge_does_not_hide_watermarks(lake: Lake) -> None:
    fill_interactions(lake, 10, watermark=START_US)
    expected = {0: START_US + 9, 1: START_US}
    assert finished(lake).merged
    assert lake.watermarks() == expected


def test_settings_reach_the_properties_of_older_tables(lake: Lake) -> None:
    fill(lake, 10)
    finished(lake, settings=options(retention_days=7, target_file_mb=128))
    properties = lake.table("signals").metadata().configuration
    assert properties["delta.targetFileSize"] == str(128 << 20)
    assert properties["delta.logRetentionDuration"] == f"interval {9 * 24} hours"


def test_texts_do_not_reach_the_log(lake: Lake) -> None:
    for offset in range(9):
        row = {"event_id": f"e{offset}", "offset": offset, "text": "SECRET", "date": FIRST_DAY}
        append_messages(lake, "signals", "t", table_rows("signals", [row]))
    finished(lake)
    lake.table("signals").create_checkpoint()
    logs = [path for path in (Path(lake.uri("signals")) / "_delta_log").iterdir() if path.is_file()]
    assert any("e8" in path.read_text() for path in logs if path.suffix == ".json")
    assert not [path.name for path in logs if b"SECRET" in path.read_bytes()]


def test_appends_during_a_merge_are_not_lost(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(lake, 10)
    step, real, loads = only_step(lake), Lake.table, itertools.count(10)

    def loaded_then_overtaken(self: Lake, name: str, **how: Any) -> DeltaTable:
        table = real(self, name, **how)
        if self is lake:
            append_messages(Lake(lake.root), "signals", "t", signals(next(loads)))
        return table

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "table", loaded_then_overtaken)
        merge(lake, step, options())
    written = next(loads)
    assert written == 13  # twice for the claim, once for the merge itself
    assert content(lake) == sorted(f"e0-{n}" for n in range(written))
    assert file_counts(lake) == {FIRST_DAY: 2}


def test_a_writer_and_merges_at_once_lose_and_repeat_nothing(lake: Lake) -> None:
    done = threading.Event()

    def write() -> None:
        try:
            fill(Lake(lake.root), 60)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    merged = 0
    while not done.is_set():
        merged += len(finished(lake, settings=options()).merged)
    writer.join()
    finished(lake)
    assert merged > 0
    assert content(lake) == sorted(f"e0-{n}" for n in range(60))


def test_of_two_overlapping_merges_only_one_happens(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the claim deltalake lets both succeed, and every row is there twice.
    fill(lake, 10)
    before, step = content(lake), only_step(lake)
    real, zombie = Lake.table, Lake(lake.root)
    loads: list[str] = []

    def paused(self: Lake, name: str, **how: Any) -> DeltaTable:
        table = real(self, name, **how)
        if self is zombie:
            loads.append(name)
            if len(loads) == 3:  # claimed (two loads), and loaded what it is going to merge
                merge(lake, step, options())
        return table

    monkeypatch.setattr(Lake, "table", paused)
    with pytest.raises(CommitFenced):
        merge(zombie, step, options())
    assert content(lake) == before
    assert file_counts(lake) == {FIRST_DAY: 1}


def test_deltalake_still_needs_the_claim(lake: Lake) -> None:
    # When this fails, overlapping merges have become safe by themselves and the claim may go.
    fill(lake, 10)
    one, two = lake.table("signals"), lake.table("signals")
    one.optimize.compact()
    two.optimize.compact()
    assert len(content(lake)) == 20


def test_a_claim_ends_merges_begun_before_it(lake: Lake) -> None:
    fill(lake, 10)
    claim(lake, "signals", options())
    begun = lake.table("signals")
    claim(lake, "signals", options())
    with pytest.raises(Exception, match="Metadata changed"):
        begun.optimize.compact()
    assert len(content(lake)) == 10


def test_a_conflict_is_skipped_and_planned_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(lake, 10)

    def unlucky(*_: object) -> None:
        raise CommitFenced("somebody else was faster")

    maintenance = Maintenance(lake, options())
    with monkeypatch.context() as patch:
        patch.setattr(maintenance_compaction, "set_properties", unlucky)
        report = maintenance.run(NOW_US, 60.0)
    assert "faster" in report.skipped["signals"]
    assert not report.merged
    later = NOW_US + 3 * MINUTE_US
    assert maintenance.due(later)
    assert [m.files_after for m in maintenance.run(later, 60.0).merged] == [1]


def test_a_lake_that_cannot_be_read_is_reported_and_not_fatal(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(self: Lake, name: str, **_: object) -> DeltaTable:
        raise LakeUnavailable(f"{name} is down")

    monkeypatch.setattr(Lake, "table", down)
    report = Maintenance(lake, options()).run(NOW_US, 0.0)
    assert "down" in report.skipped["signals"]


def test_a_damaged_file_stops_the_merge_of_its_day_only(lake: Lake) -> None:
    fill(lake, 9)
    fill(lake, 9, day=next_day(), first=9)
    damaged = sorted(Path(lake.uri("signals")).glob(f"date={FIRST_DAY}/*.parquet"))[4]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:40])
    maintenance = Maintenance(lake, options())
    report = maintenance.run(NOW_US, 600.0)
    assert [m.step.day for m in report.merged] == [next_day()]
    assert damaged.name[:20] in report.skipped["signals"]
    version, later = lake.version("signals"), NOW_US + 59 * MINUTE_US
    assert not maintenance.run(later, 600.0).skipped
    assert lake.version("signals") == version
    damaged.write_bytes(whole)
    assert [m.step.day for m in maintenance.run(later + 2 * MINUTE_US, 600.0).merged] == [FIRST_DAY]
    assert len(content(lake)) == 18


def test_work_is_done_in_small_steps_and_then_rests(lake: Lake) -> None:
    fill(lake, 9)
    fill(lake, 9, day=next_day(), first=9)
    maintenance = Maintenance(lake, options())
    assert maintenance.due(NOW_US)
    first, second = maintenance.run(NOW_US, 0.0), maintenance.run(NOW_US, 0.0)
    assert [len(r.merged) for r in (first, second)] == [1, 1]
    assert maintenance.due(NOW_US)  # the housekeeping of the tables is left
    report = maintenance.run(NOW_US, 600.0)
    assert not report.merged
    assert {kept.table for kept in report.kept} >= {"signals", "interactions", "drops"}
    assert not maintenance.due(NOW_US + MINUTE_US)
    assert maintenance.due(NOW_US + 2 * MINUTE_US)


def test_a_process_that_runs_for_a_moment_is_left_alone(lake: Lake) -> None:
    maintenance = Maintenance(lake, options(), rest_first_us=MINUTE_US)
    assert not maintenance.due(NOW_US)
    assert not maintenance.due(NOW_US + MINUTE_US - 1)
    assert maintenance.due(NOW_US + MINUTE_US)


def test_an_idle_lake_gets_no_commits(lake: Lake) -> None:
    fill(lake, 9)
    fill_interactions(lake, 9, watermark=START_US)
    finished(lake)
    versions = {name: lake.version(name) for name in ("signals", "interactions", "drops")}
    finished(Lake(lake.root), NOW_US + 2 * DAY_US)
    assert {name: lake.version(name) for name in versions} == versions


def test_the_thread_works_only_for_the_leader_and_never_waits(lake: Lake) -> None:
    fill(lake, 10)
    reports: list[Report] = []
    thread = MaintenanceThread(Maintenance(lake, options()), on_report=reports.append)
    thread.tick(NOW_US, leader=False)
    assert not thread.busy
    assert thread.close(0.0)
    assert not reports
    thread.tick(NOW_US, leader=True)
    assert thread.close(60.0)
    assert [m.files_after for report in reports for m in report.merged] == [1]


def test_an_error_in_the_thread_does_not_end_it(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Maintenance):
        def run(self, *_: object, **__: object) -> Report:
            raise RuntimeError("broken")

    thread = MaintenanceThread(Broken(lake, options()))
    for _ in range(2):
        thread.tick(NOW_US, leader=True)
        assert thread.close(60.0)
    assert caplog.text.count("RuntimeError: broken") == 2
