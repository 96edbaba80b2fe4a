"""Evidence that comes days later ends in the right revision, and in no view of an earlier day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.settle import SettleReport, settle
from sinks.accounting import Accounting, account
from sinks.lake import Lake
from tests.console.commands import answer, tailrace
from tests.curation.dialogues import RIGHT, WRONG, Events, asked, did, edited
from tests.factories import MINUTE, START, at, outcome_event, request_event, signal_event
from tests.lakes import HORIZON_US, ingest, new_lake

DAY = 86_400
NOW_US = 1_900_000_000_000_000


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "tailrace-home" / "lake")


def fold_in(lake: Lake, *, horizon_us: int = HORIZON_US) -> SettleReport:
    return settle(lake, horizon_us=horizon_us, now_us=NOW_US)


def row(lake: Lake, request_id: str, **view: Any) -> dict[str, Any]:
    frame = lake.interactions(**view).collect()
    (found,) = frame.filter(frame["request_id"] == request_id).to_dicts()
    return dict(found)


def outcome_of(request_id: str, *, days: float, success: bool = False) -> Events:
    """An outcome that knows nothing but the request."""
    event = outcome_event(f"o-{days}", seconds=days * DAY, request_id=request_id, success=success)
    del event["session_id"]
    return [("outcome", event)]


def test_an_outcome_that_names_only_its_request(lake: Lake) -> None:
    ingest(lake, asked("a"))
    ingest(lake, outcome_of("request-a", days=9), first_offset=10)
    assert row(lake, "request-a")["outcome_ids"] == []
    assert fold_in(lake) == SettleReport(late_events=1, examined=1, revised=1)
    late = row(lake, "request-a")
    assert (late["revision"], late["outcome_ids"], late["outcome_success"]) == (2, ["o-9"], 0.0)
    assert row(lake, "request-a", as_of=at(DAY)) == row(lake, "request-a", as_of=at(8.9 * DAY))
    assert row(lake, "request-a", as_of=at(DAY))["revision"] == 1
    assert row(lake, "request-a", as_of=at(9 * DAY)) == late


def test_every_night_is_a_revision_of_its_own(lake: Lake) -> None:
    ingest(lake, asked("a"))
    for night in (1, 3, 9):
        event = outcome_of("request-a", days=night, success=night != 3)
        ingest(lake, event, first_offset=10 * night)
        fold_in(lake)
    seen = {day: row(lake, "request-a", as_of=at(day * DAY))["outcome_count"] for day in (0.5, 1, 2, 3, 8, 9)}
    assert seen == {0.5: 0, 1: 1, 2: 1, 3: 2, 8: 2, 9: 3}
    everything = lake.interactions(revisions=True).collect()
    assert sorted(everything["revision"]) == [1, 2, 3, 4]


def test_a_drop_as_of_an_earlier_day_does_not_know_it(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, edited("a") + asked("b", response=RIGHT))
    ingest(lake, did("b", "edit", seconds=9 * DAY, text=WRONG), first_offset=20)
    home: dict[str, Any] = {"cwd": tmp_path, "TAILRACE_CURATION__CONTROL_SHARE": "0"}
    settled = answer(tailrace("settle", "--json", **home))
    assert settled == {"late_events": 1, "examined": 1, "revised": 1}

    def requests_of(day: str) -> set[str]:
        drop = answer(tailrace("drop", "--as-of", day, "--json", **home))
        provenance = pl.read_parquet(
            tmp_path / "tailrace-home" / "drops" / drop["drop_id"] / "provenance.parquet"
        )
        return set(provenance["request_ids"].explode())

    first, tenth = (START.date().isoformat(), at(9 * DAY).date().isoformat())
    assert requests_of(first) == {"request-a"}
    # What the earlier drop holds is not new to the later one.
    assert requests_of(tenth) == {"request-b"}


def test_a_view_does_not_know_the_next_prompt_before_it_was_written(lake: Lake) -> None:
    prompt = {"prompt": "How do I export my data?", "session_id": "s"}
    ingest(lake, asked("a", **prompt) + asked("b", seconds=20 * 60, **prompt))
    assert row(lake, "request-a")["has_retry"]
    assert row(lake, "request-a")["evidence_until"] == at(20 * 60)
    early = lake.interactions(as_of=at(10 * 60)).collect()
    assert early.filter(early["has_retry"]).is_empty()


def test_evidence_from_a_clock_that_goes_slow_counts_once_settled(lake: Lake) -> None:
    ingest(lake, asked("a", seconds=600) + did("a", "copy", seconds=590))
    assert row(lake, "request-a")["copy_count"] == 0
    assert account(lake, horizon_us=HORIZON_US) == Accounting(joined=1, late=1)
    assert fold_in(lake).late_events == 1
    assert account(lake, horizon_us=HORIZON_US) == Accounting(joined=2)
    assert (row(lake, "request-a")["copy_count"], row(lake, "request-a")["revision"]) == (1, 2)


def test_a_late_request_takes_over_what_was_its_own(lake: Lake) -> None:
    prompt = {"session_id": "s"}
    copied = [("signal", signal_event("copied", seconds=300, session_id="s"))]
    ingest(lake, asked("a", **prompt) + copied)
    assert row(lake, "request-a")["signal_ids"] == ["copied"]
    # Its own window is still open when it comes: the stream does not call it late.
    ingest(lake, asked("b", seconds=200, **prompt), first_offset=10)
    fold_in(lake)
    first, second = row(lake, "request-a"), row(lake, "request-b")
    assert (first["signal_ids"], first["has_abandon"], first["has_rephrase"]) == ([], False, True)
    assert second["signal_ids"] == ["copied"]


def test_a_request_that_comes_late_between_two_is_the_next_one(lake: Lake) -> None:
    def prompt(text: str) -> dict[str, str]:
        return {"session_id": "s", "prompt": text}

    ingest(lake, asked("a", **prompt("reset password")) + asked("c", seconds=900, **prompt("thank you")))
    before = row(lake, "request-a")["rephrase_similarity"]
    ingest(lake, asked("b", seconds=300, **prompt("reset password")), first_offset=10)
    fold_in(lake)
    assert before < 0.5
    assert row(lake, "request-a")["rephrase_similarity"] == 1.0
    assert row(lake, "request-b")["rephrase_similarity"] < 0.5


def test_a_session_across_midnight_is_one_session(lake: Lake) -> None:
    midnight = DAY // 2
    early = asked("a", seconds=midnight - 60, session_id="s")
    late = asked("b", seconds=midnight + 60, session_id="s")
    ingest(lake, early + late + [("signal", signal_event("g", seconds=midnight + 5, session_id="s"))])
    assert row(lake, "request-a")["signal_ids"] == ["g"]
    assert not row(lake, "request-a")["has_abandon"]
    days_later = [("signal", signal_event("h", seconds=3 * DAY, session_id="s"))]
    unread = asked("x", seconds=midnight - 30, session_id="s")
    ingest(lake, unread + days_later, first_offset=10)
    fold_in(lake)
    rows = lake.interactions().collect().sort("occurred_at")
    assert rows.select("request_id", "revision").rows() == [
        ("request-a", 2),
        ("request-x", 2),
        ("request-b", 2),
    ]
    assert rows["signal_ids"].to_list() == [[], ["g"], ["h"]]
    assert rows["date"].n_unique() == 2


def test_settling_again_examines_nothing(lake: Lake) -> None:
    events: Events = []
    for n in range(20):
        events += [("request", request_event(f"r{n}", seconds=n * 60, session_id=f"s{n % 4}"))]
        events += [("signal", signal_event(f"g{n}", seconds=n * 60 + 5, session_id=f"s{n % 4}"))]
    ingest(lake, events)
    ingest(lake, outcome_of("r3", days=2), first_offset=100)
    assert fold_in(lake) == SettleReport(late_events=1, examined=1, revised=1)
    version = lake.version("interactions")
    assert fold_in(lake) == SettleReport(late_events=0, examined=0, revised=0)
    assert lake.version("interactions") == version


def test_a_request_repeated_at_another_time_stays_one_row(lake: Lake) -> None:
    ingest(lake, [("request", request_event("r1", seconds=0, session_id="s"))])
    again = [("request", request_event("r1", seconds=2 * DAY, session_id="s"))]
    copied = [("signal", signal_event("g", seconds=2 * DAY + 5, session_id="s"))]
    ingest(lake, again + copied, first_offset=10)
    for revision in (1, 2, 2):
        (found,) = lake.interactions().collect().to_dicts()
        held = [] if revision == 1 else ["g"]
        assert (found["revision"], found["offset"], found["signal_ids"]) == (revision, 0, held)
        assert found["occurred_at"] == START
        assert lake.interactions(revisions=True).collect().height == revision
        fold_in(lake)


def test_a_repeat_that_claims_to_be_older_is_in_no_view(lake: Lake) -> None:
    ingest(lake, [("request", request_event("r1", seconds=2 * DAY, session_id="s"))])
    ingest(lake, [("request", request_event("r1", seconds=0, session_id="s"))], first_offset=10)
    assert lake.interactions(as_of=at(DAY)).collect().is_empty()
    assert row(lake, "r1", as_of=at(2 * DAY))["offset"] == 0


def test_a_request_of_a_later_day_is_in_no_view_of_an_earlier_one(lake: Lake) -> None:
    prompt = {"session_id": "s", "prompt": "How do I export my data?"}
    copied = [("signal", signal_event("copied", seconds=500, session_id="s"))]
    ingest(lake, asked("a", **prompt) + copied)
    # Comes after its neighbour settled, and takes over the signal.
    ingest(lake, asked("b", seconds=300, **prompt), first_offset=10)
    ingest(lake, asked("c", seconds=9 * DAY, **prompt), first_offset=20)
    fold_in(lake)
    assert row(lake, "request-a")["next_request_id"] == "request-b"

    def view(seconds: float) -> dict[str, tuple[list[str], bool]]:
        rows = lake.interactions(as_of=at(seconds)).collect()
        return {
            name: (ids, retry)
            for name, ids, retry in rows.select("request_id", "signal_ids", "has_retry").iter_rows()
        }

    assert view(100) == {}
    assert view(400) == {"request-a": ([], True), "request-b": ([], False)}
    assert view(DAY) == {"request-a": ([], True), "request-b": (["copied"], False)}
    assert set(view(9 * DAY)) == {"request-a", "request-b", "request-c"}


def test_what_waits_in_a_window_is_left_to_the_stream(lake: Lake) -> None:
    ingest(lake, asked("a") + did("a", "copy"), settle_requests=False)
    assert fold_in(lake, horizon_us=30 * MINUTE) == SettleReport(0, 0, 0)
    assert lake.interactions().collect().is_empty()
