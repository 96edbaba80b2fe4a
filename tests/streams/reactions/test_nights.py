"""Which night is due, and who should build it: decisions over the log of runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import SettingsError
from contracts.settings import NightlySettings
from sinks.nightly_runs import CLAIMED, FAILED, PUBLISHED, RUNNING, SCHEDULED, UNCHANGED, Run
from streams.reactions.nights import Plan, Schedule, backoff, decide, overview, under_way

SETTINGS = NightlySettings(enabled=True, cron="30 2 * * *", catch_up_hours=48, max_attempts=3)
SCHEDULE = Schedule(SETTINGS.cron)
NIGHT = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
BEFORE = NIGHT - timedelta(days=1)
NEXT = NIGHT + timedelta(days=1)


def run(
    state: str, *, night: datetime = NIGHT, attempt: int = 1, minutes: float = 0, final: bool = False
) -> Run:
    over = final or state in (PUBLISHED, UNCHANGED, SCHEDULED)
    return Run(night, "default", attempt, state, over, "w", night + timedelta(minutes=minutes))


DONE_BEFORE = run(PUBLISHED, night=BEFORE)


def plan(*runs: Run, minutes: float = 1, silent: bool = False, settings: NightlySettings = SETTINGS) -> Plan:
    now = NIGHT + timedelta(minutes=minutes)
    return decide(runs, now, SCHEDULE, settings, silent=silent)


def test_a_moment_counts_from_the_very_second() -> None:
    assert SCHEDULE.latest(NIGHT) == NIGHT
    assert SCHEDULE.latest(NIGHT - timedelta(microseconds=1)) == BEFORE
    assert SCHEDULE.next(NIGHT) == NEXT


@settings(max_examples=40)
@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_now_lies_between_the_latest_and_the_next_moment(now: datetime) -> None:
    for cron in ("30 2 * * *", "*/7 * * * *", "0 0 29 2 *", "15 3 * * 0"):
        schedule = Schedule(cron)
        latest, following = schedule.latest(now), schedule.next(now)
        assert latest <= now < following
        assert schedule.next(latest) == following


@pytest.mark.parametrize("cron", ["at night", "30 2 * *", "* * * * * *", "61 2 * * *", "0 0 31 2 *", ""])
def test_what_is_no_schedule_is_refused(cron: str) -> None:
    with pytest.raises(SettingsError, match=r"nightly\.cron"):
        Schedule(cron)


def test_nights_before_the_schedule_came_into_force_are_not_made_up_for() -> None:
    assert plan().action == "begin"
    assert plan(run(SCHEDULED, attempt=0)).action == "rest"


def test_a_due_night_is_built_and_a_finished_one_is_not() -> None:
    due = plan(DONE_BEFORE)
    assert (due.action, due.night, due.attempt) == ("build", NIGHT, 1)
    for state in (PUBLISHED, UNCHANGED):
        assert plan(DONE_BEFORE, run(state)) == Plan("rest", NIGHT, NEXT)


def test_only_the_newest_of_several_missed_nights_is_made_up_for() -> None:
    old = run(PUBLISHED, night=NIGHT - timedelta(days=9))
    found = plan(old, minutes=600)
    assert (found.action, found.night) == ("build", NIGHT)


def test_a_night_that_is_too_old_is_given_up_and_says_so() -> None:
    short = SETTINGS.model_copy(update={"catch_up_hours": 1})
    found = plan(DONE_BEFORE, minutes=61, settings=short)
    assert (found.action, found.until) == ("give_up", NEXT)
    assert "missed" in found.detail
    never = SETTINGS.model_copy(update={"catch_up_hours": 0})
    assert plan(DONE_BEFORE, minutes=1, settings=never).action == "build"


def test_a_build_under_way_is_left_alone_until_it_falls_silent() -> None:
    live = run(RUNNING, minutes=1)
    assert plan(DONE_BEFORE, run(CLAIMED), live, minutes=2).action == "rest"
    taken = plan(DONE_BEFORE, run(CLAIMED), live, minutes=9, silent=True)
    assert (taken.action, taken.attempt, taken.dead) == ("build", 2, live)


def test_a_new_night_waits_for_the_build_of_the_one_before() -> None:
    live = run(RUNNING, night=BEFORE)
    assert plan(live).action == "rest"
    over = plan(live, silent=True)
    assert (over.action, over.night, over.attempt, over.dead) == ("build", NIGHT, 1, live)


def test_failures_are_retried_with_doubling_pauses_and_a_limit() -> None:
    failed = [run(FAILED, attempt=1, minutes=1)]
    wait = plan(DONE_BEFORE, *failed, minutes=1.5)
    assert (wait.action, wait.until) == ("rest", NIGHT + timedelta(minutes=2))
    again = plan(DONE_BEFORE, *failed, minutes=2)
    assert (again.action, again.attempt) == ("build", 2)
    failed.append(run(FAILED, attempt=2, minutes=3))
    assert plan(DONE_BEFORE, *failed, minutes=4.9).action == "rest"
    assert plan(DONE_BEFORE, *failed, minutes=5).attempt == 3
    failed.append(run(FAILED, attempt=3, minutes=6, final=True))
    assert plan(DONE_BEFORE, *failed, minutes=600).action == "rest"
    assert [backoff(n) for n in (1, 2, 3, 90)] == [timedelta(minutes=m) for m in (1, 2, 4, 60)]


def test_a_build_that_kills_its_worker_every_time_is_given_up() -> None:
    live = run(RUNNING, attempt=3, minutes=1)
    found = plan(DONE_BEFORE, live, silent=True)
    assert (found.action, found.attempt) == ("give_up", 3)


def test_the_end_of_an_attempt_counts_whatever_the_clocks_say() -> None:
    late_beat = run(RUNNING, minutes=9)
    failed = run(FAILED, minutes=1)
    assert under_way([DONE_BEFORE, late_beat, failed]) is None
    assert under_way([DONE_BEFORE, run(CLAIMED), late_beat]) == late_beat


def test_overview_names_night_failures_and_the_last_success() -> None:
    runs = [DONE_BEFORE, run(FAILED, minutes=1), replace(run(RUNNING, attempt=2, minutes=2), worker="w2")]
    shown = overview(runs, NIGHT + timedelta(minutes=3), SETTINGS).as_dict()
    assert shown["next"] == "2026-11-26T02:30:00Z"
    assert shown["night"] == "2026-11-25T02:30:00Z"
    assert (shown["state"], shown["silent"], shown["attempt"], shown["worker"]) == ("running", False, 2, "w2")
    assert shown["failed_attempts"] == 1
    assert shown["last_success_at"] == "2026-11-24T02:30:00Z"
    assert overview(runs, NIGHT + timedelta(minutes=5), SETTINGS).silent
    off = overview([], NIGHT, NightlySettings(cron="no schedule, but switched off")).as_dict()
    assert (off["enabled"], off["next"], off["state"], off["last_success_at"]) == (False, None, None, None)
