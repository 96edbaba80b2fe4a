"""Amended outcomes go where the outcome they replace went, whenever they come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.settle import SettleReport, settle
from sinks.lake import Lake
from tests.curation.dialogues import Events, asked
from tests.factories import at, outcome_event
from tests.lakes import HORIZON_US, ingest, new_lake

DAY = 86_400
NOW_US = 1_900_000_000_000_000


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def outcome(name: str, success: bool, *, seconds: float = 60, **fields: Any) -> Events:
    given = {"session_id": None, **fields}
    event = outcome_event(name, seconds=seconds, success=success, **given)
    return [("outcome", {k: v for k, v in event.items() if v is not None})]


def fold_in(lake: Lake) -> SettleReport:
    return settle(lake, horizon_us=HORIZON_US, now_us=NOW_US)


def row(lake: Lake, name: str, **view: Any) -> dict[str, Any]:
    frame = lake.interactions(**view).collect()
    (found,) = frame.filter(frame["request_id"] == f"request-{name}").to_dicts()
    return dict(found)


def test_it_replaces_what_it_names_wherever_that_was_counted(lake: Lake) -> None:
    first = outcome("o1", False, request_id="request-a", session_id="session-a")
    ingest(lake, asked("a") + asked("b") + first)
    # It names another request and session; days later.
    change = outcome("o2", True, seconds=3 * DAY, request_id="request-b", supersedes="o1")
    ingest(lake, change, first_offset=10)
    report = fold_in(lake)
    assert (report.late_events, report.revised) == (1, 1)
    amended = row(lake, "a")
    assert (amended["outcome_ids"], amended["outcome_success"], amended["outcome_count"]) == (
        ["o1", "o2"],
        1.0,
        1,
    )
    assert (row(lake, "b")["outcome_ids"], row(lake, "b")["revision"]) == ([], 1)
    # As of the day it was not known.
    assert row(lake, "a", as_of=at(DAY))["outcome_success"] == 0.0


def test_one_that_comes_before_what_it_amends_moves_when_that_is_known(lake: Lake) -> None:
    ingest(lake, asked("a") + asked("b"))
    ingest(lake, outcome("o2", True, request_id="request-b", supersedes="o1"), first_offset=10)
    fold_in(lake)
    assert row(lake, "b")["outcome_ids"] == ["o2"]
    ingest(lake, outcome("o1", False, request_id="request-a"), first_offset=20)
    report = fold_in(lake)
    assert report.revised == 2
    assert (row(lake, "b")["outcome_ids"], row(lake, "b")["revision"]) == ([], 3)
    assert (row(lake, "a")["outcome_ids"], row(lake, "a")["outcome_success"]) == (["o1", "o2"], 1.0)


def test_a_chain_ends_in_its_last_word_whatever_the_order_of_arrival(lake: Lake) -> None:
    ingest(lake, asked("a") + outcome("o1", False, request_id="request-a"))
    chain = [
        outcome("o4", False, seconds=9 * DAY, request_id="nobody-4", supersedes="o3"),
        outcome("o2", True, seconds=2 * DAY, request_id="nobody-2", supersedes="o1"),
        outcome("o3", True, seconds=4 * DAY, request_id="nobody-3", supersedes="o2"),
    ]
    told: list[tuple[list[str], float | None]] = []
    for n, event in enumerate(chain):
        ingest(lake, event, first_offset=10 * (n + 1))
        fold_in(lake)
        told.append((row(lake, "a")["outcome_ids"], row(lake, "a")["outcome_success"]))
    assert told == [
        (["o1"], 0.0),
        (["o1", "o2"], 1.0),
        (["o1", "o2", "o3", "o4"], 0.0),
    ]
    assert row(lake, "a")["outcome_count"] == 1


def test_one_of_something_never_seen_goes_by_its_own_words(lake: Lake) -> None:
    ingest(lake, asked("a"))
    ingest(lake, outcome("o2", True, request_id="request-a", supersedes="lost"), first_offset=10)
    fold_in(lake)
    assert (row(lake, "a")["outcome_ids"], row(lake, "a")["outcome_success"]) == (["o2"], 1.0)


def test_one_of_an_orphan_finds_the_request_it_names_itself(lake: Lake) -> None:
    ingest(lake, asked("a"))
    wrong = outcome("o1", False, request_id="mistyped")
    ingest(lake, wrong + outcome("o2", True, request_id="request-a", supersedes="o1"), first_offset=10)
    fold_in(lake)
    assert (row(lake, "a")["outcome_ids"], row(lake, "a")["outcome_success"]) == (["o2"], 1.0)


def test_two_that_amend_each_other_stay_where_they_say(lake: Lake) -> None:
    ingest(lake, asked("a") + asked("b"))
    circle = outcome("o1", True, request_id="request-a", supersedes="o2")
    circle += outcome("o2", True, request_id="request-b", supersedes="o1")
    ingest(lake, circle + outcome("o3", True, request_id="request-b", supersedes="o3"), first_offset=10)
    fold_in(lake)
    assert row(lake, "a")["outcome_ids"] == ["o1"]
    assert row(lake, "b")["outcome_ids"] == ["o2", "o3"]
    assert row(lake, "b")["outcome_count"] == 1
    assert fold_in(lake).revised == 0
