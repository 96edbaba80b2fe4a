"""Retention: rows older than their table's days go by whole days; holds keep theirs; what is lost is said."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.errors import SettingsError, TerminalError
from contracts.settings import LakeSettings, RetentionSettings, Settings
from curation.retention.apply import Retained, apply
from curation.retention.holds import holds, place_hold, release_hold
from sinks.lake import Lake
from sinks.maintenance_history import vacuum
from sinks.transactions import append_once
from tests.factories import SECOND, START, START_US, table_rows
from tests.lakes import new_lake
from tests.sinks.crumbs import grow_old

DAY_US = 86_400 * SECOND
NOW_US = START_US + 10 * DAY_US


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Ten days of requests and judgments, one person a day."""
    made = new_lake(tmp_path / "lake")
    rows = []
    for n in range(10):
        moment = START + timedelta(days=n)
        own = {"request_id": f"r{n}", "user_key": f"user-{n}", "session_id": f"s{n}", "event_id": f"e{n}"}
        rows.append({**own, "occurred_at": moment, "date": moment.date()})
    append_once(made, "requests", table_rows("requests", rows), batch_id="requests")
    judged = [{"request_id": row["request_id"], "date": row["date"]} for row in rows]
    append_once(made, "judgments", table_rows("judgments", judged), batch_id="judgments")
    return made


def run(lake: Lake, *, dry_run: bool = False, **days: float) -> Retained:
    settings = Settings(retention=RetentionSettings(days=days))
    return apply(lake, settings, str, now_us=NOW_US, dry_run=dry_run)


def left(lake: Lake, name: str = "requests") -> set[str]:
    return set(lake.scan(name).collect()["request_id"])


def everything_from(day: int) -> set[str]:
    return {f"r{n}" for n in range(day, 10)}


def test_whole_days_go_and_tables_without_days_stay(lake: Lake) -> None:
    done = run(lake, requests=4)
    assert left(lake) == everything_from(6)
    assert left(lake, "judgments") == everything_from(0)
    assert [(t.table, t.removed, t.kept_by_hold) for t in done.tables] == [("requests", 6, 0)]
    assert run(lake, requests=4).tables[0].removed == 0


def test_a_dry_run_says_the_same_and_deletes_nothing(lake: Lake) -> None:
    version = lake.version("requests")
    said = run(lake, dry_run=True, requests=4, judgments=2)
    assert lake.version("requests") == version
    assert left(lake) == everything_from(0)
    assert run(lake, requests=4, judgments=2) == said


def test_versions_before_stay_readable_until_the_files_go(lake: Lake) -> None:
    version = lake.version("requests")
    run(lake, requests=4)
    assert set(lake.scan("requests", version=version).collect()["request_id"]) == everything_from(0)
    grow_old(lake, "requests", days=40)
    clock_us = time.time_ns() // 1_000
    assert vacuum(lake, "requests", LakeSettings(), now_us=clock_us)
    assert left(lake) == everything_from(6)


def test_drops_that_can_then_no_longer_be_rebuilt_are_named(lake: Lake) -> None:
    versions = {"requests": lake.version("requests"), "judgments": lake.version("judgments")}
    rows = [
        {"drop_id": "needs-requests", "inputs": f'{{"requests": {versions["requests"]}}}'},
        {"drop_id": "needs-judgments", "inputs": f'{{"judgments": {versions["judgments"]}}}'},
        {"drop_id": "older-than-all", "inputs": '{"requests": 0}'},
    ]
    append_once(lake, "drops", table_rows("drops", rows), batch_id="drops")
    assert run(lake, dry_run=True, requests=4).unbuildable == ("needs-requests",)
    assert run(lake, requests=4, judgments=4).unbuildable == ("needs-judgments", "needs-requests")
    assert run(lake, requests=20).unbuildable == ()


def test_a_drop_that_could_not_be_rebuilt_before_is_not_named_again(lake: Lake) -> None:
    inputs = f'{{"requests": {lake.version("requests")}}}'
    append_once(lake, "drops", table_rows("drops", [{"drop_id": "d1", "inputs": inputs}]), batch_id="drops")
    assert run(lake, requests=4).unbuildable == ("d1",)
    first = next(Path(lake.uri("requests")).rglob("date=2026-03-01/*.parquet"))
    first.unlink()
    # What goes now was part of it too, but the first day is read no more.
    assert run(lake, requests=2).unbuildable == ()


def test_rows_of_a_held_person_stay_and_those_of_the_same_day_go(lake: Lake) -> None:
    more = [{"request_id": "other", "user_key": "somebody", "session_id": "s-other", "date": START.date()}]
    append_once(lake, "requests", table_rows("requests", more), batch_id="more")
    hold = place_hold(lake, "user", "user-0", "a court says so", now=START)
    done = run(lake, requests=4, judgments=4)
    assert left(lake) == {"r0", *everything_from(6)}
    assert left(lake, "judgments") == {"r0", *everything_from(6)}
    assert [(t.removed, t.kept_by_hold) for t in done.tables] == [(6, 1), (5, 1)]
    release_hold(lake, hold, "the case is over", now=START)
    run(lake, requests=4, judgments=4)
    assert left(lake) == left(lake, "judgments") == everything_from(6)


def test_a_held_drop_keeps_what_it_was_made_of(lake: Lake) -> None:
    append_once(lake, "drops", table_rows("drops", [{"drop_id": "d1", "inputs": "{}"}]), batch_id="drops")
    example = {"drop_id": "d1", "example_id": "e1", "request_ids": ["r2"], "date": START.date()}
    append_once(lake, "examples", table_rows("examples", [example, {"drop_id": "d2"}]), batch_id="examples")
    place_hold(lake, "drop", "d1", "audited", now=START)
    run(lake, requests=4, examples=4)
    assert left(lake) == {"r2", *everything_from(6)}
    assert lake.scan("examples").collect()["drop_id"].to_list() == ["d1"]


def test_a_held_table_stays_whole(lake: Lake) -> None:
    place_hold(lake, "table", "requests", "an investigation", now=START)
    done = run(lake, requests=1, judgments=1)
    assert left(lake) == everything_from(0)
    assert left(lake, "judgments") == everything_from(9)
    assert [t.held for t in done.tables] == [True, False]


@pytest.mark.parametrize("days", [{"lineage": 30.0}, {"nothing": 30.0}, {"requests": 0.5}])
def test_days_that_make_no_sense_are_refused(lake: Lake, days: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="days"):
        run(lake, **days)
    assert left(lake) == everything_from(0)


def test_holds_need_a_reason_and_something_to_hold(lake: Lake) -> None:
    for held, target, reason in (("user", "k", " "), ("table", "nothing", "r")):
        with pytest.raises(SettingsError):
            place_hold(lake, held, target, reason, now=START)  # type: ignore[arg-type]
    with pytest.raises(TerminalError, match="no drop"):
        place_hold(lake, "drop", "nothing", "r", now=START)
    with pytest.raises(TerminalError, match="no hold"):
        release_hold(lake, "hold-x", "r", now=START)
    assert holds(lake).is_empty()
