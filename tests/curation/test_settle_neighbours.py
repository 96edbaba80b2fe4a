"""`settle` finds what the stream joined with another neighbour or another copy than it should have."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.settle import SettleReport, settle
from sinks.lake import Lake
from tests.factories import SECOND, START_US, at
from tests.joiners.disturbed import BASE, DAY, Disturbed, Log, Sent, encoded
from tests.joiners.lives import HORIZON_US, Worker
from tests.lakes import new_lake
from tests.strategies import HORIZON, KINDS, LATENESS, Place, Row

LATER = BASE + DAY
"""When the worker gets round to what has been on the broker for a day."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def asked(name: str, seconds: int, *, session: str = "s", arrives: int = 60) -> Sent:
    """A request `seconds` after `BASE`."""
    row: Row = {"request_id": name, "session_id": session, "us": BASE + seconds, "finish_reason": "stop"}
    return Sent(BASE + arrives, row, encoded("requests", row))


def resulted(name: str, seconds: int, request_id: str) -> Sent:
    """An outcome `seconds` after `BASE`."""
    row: Row = {"event_id": name, "session_id": "s", "us": BASE + seconds, "request_id": request_id}
    row |= {"kind": "ticket", "success": True}
    return Sent(BASE + 60, row, encoded("outcomes", row))


def traffic(requests: Log, outcomes: Log | None = None, *, stamped: str = "on arrival") -> Disturbed:
    """Messages of one partition; nothing else ever comes."""
    logs: dict[Place, Log] = {(kind, p): [] for kind in (*KINDS, "consents") for p in (0, 1)}
    return Disturbed(logs | {("requests", 0): requests, ("outcomes", 0): outcomes or []}, stamped=stamped)


def fold_in(lake: Lake) -> SettleReport:
    return settle(lake, horizon_us=HORIZON_US, now_us=START_US + 2 * LATER * SECOND)


def ends(lake: Lake, request_id: str) -> int:
    """Seconds after `BASE` until which the current revision knows what happened."""
    rows = lake.interactions().collect()
    until = rows.filter(rows["request_id"] == request_id)["evidence_until"].item()
    return int((until - at(BASE)).total_seconds())


def follows(lake: Lake, request_id: str) -> tuple[str | None, int]:
    """What the current revision says came after a request: the next one, and how many within the horizon."""
    rows = lake.interactions().collect()
    row = rows.filter(rows["request_id"] == request_id).row(0, named=True)
    return row["next_request_id"], row["follow_up_count"]


@pytest.mark.parametrize("stamped", ["on arrival", "by event"])
def test_a_next_one_that_was_still_unread_when_a_repeat_moved_the_watermark(lake: Lake, stamped: str) -> None:
    # The repeat from a wrong clock takes no part, but r0 settles at its time, with r2 as the next one.
    read = [asked("x", 0, session="other"), asked("r0", 0), asked("r2", 9), asked("x", DAY, session="other")]
    worker = Worker(lake, traffic([*read, asked("r1", 4)], stamped=stamped), [0], {})
    worker.turn(LATER, 0)
    worker.turn(LATER + 10, len(read))
    assert follows(lake, "r0") == ("r2", 1)
    worker.turn(LATER + 30, 1, close=True)
    fold_in(lake)
    assert (follows(lake, "r0"), follows(lake, "r1")) == (("r1", 2), ("r2", 1))
    assert (ends(lake, "r0"), ends(lake, "r1")) == (9, 9)
    assert fold_in(lake) == SettleReport(late_events=0, examined=0, revised=0)


def test_a_repeat_that_was_marked_and_yet_joined_after_a_restart(lake: Lake) -> None:
    # The first copy is forgotten, "kept" is not: the next worker starts in front of it and behind the copy.
    late = HORIZON + LATENESS + 2
    outcomes = [resulted("o", 0, "r"), resulted("kept", late, "nobody"), resulted("o", late, "r")]
    sent = traffic([asked("r", late - 1)], outcomes)
    committed: dict[tuple[str, int], int] = {}
    first = Worker(lake, sent, [0], committed)
    first.turn(LATER, 0)
    first.turn(LATER + 10, 10)
    Worker(lake, sent, [0], committed).turn(LATER + 20, 10, close=True)
    assert lake.scan("outcomes").collect()["duplicate"].to_list() == [False, False, True]
    assert ends(lake, "r") == late
    assert fold_in(lake).revised == 1
    assert ends(lake, "r") == late - 1


def test_a_copy_of_the_next_one_at_another_time(lake: Lake) -> None:
    # "n" is settled and forgotten when "r" comes, days late, with a copy of it.
    late = [asked("r", 0, arrives=DAY + 30), asked("n", 4, arrives=DAY + 30)]
    worker = Worker(lake, traffic([asked("n", 9), *late]), [0], {})
    for now in (0, 10, 20):
        worker.turn(LATER + now, 10)
    worker.turn(LATER + 40, 10, close=True)
    assert ends(lake, "r") == 4
    fold_in(lake)
    assert (ends(lake, "r"), ends(lake, "n")) == (9, 9)
    assert fold_in(lake).revised == 0


def test_a_follow_up_that_came_late_is_counted_behind_the_next_one(lake: Lake) -> None:
    # r0 settles with r1 as its next one, and r1 with nothing after it; then comes r2.
    read = [asked("x", 0, session="other"), asked("r0", 0), asked("r1", 2), asked("y", 60, session="other")]
    worker = Worker(lake, traffic([*read, asked("r2", 5)]), [0], {})
    worker.turn(LATER, 0)
    worker.turn(LATER + 10, len(read))
    assert (follows(lake, "r0"), follows(lake, "r1")) == (("r1", 1), (None, 0))
    worker.turn(LATER + 30, 1, close=True)
    assert fold_in(lake).revised == 2
    assert (follows(lake, "r0"), follows(lake, "r1")) == (("r1", 2), ("r2", 1))
    assert fold_in(lake) == SettleReport(0, 0, 0)
