"""`settle` finds every interaction whose next request is not the one it was joined with."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.settle import SettleReport, settle
from sinks.lake import Lake
from tests.factories import SECOND, START_US, at
from tests.joiners.disturbed import BASE, DAY, Disturbed, Log, Sent, encoded
from tests.joiners.lives import HORIZON_US, Worker
from tests.lakes import new_lake
from tests.strategies import KINDS, Place, Row

LATER = BASE + DAY
"""When the worker gets round to what has been on the broker for a day."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def asked(name: str, seconds: int, *, arrives: int = 60, session: str = "s") -> Sent:
    """A request `seconds` after `BASE`."""
    row: Row = {"request_id": name, "session_id": session, "us": BASE + seconds, "prompt_text": name}
    return Sent(BASE + arrives, row, encoded("requests", row | {"finish_reason": "stop"}))


def read_in_parts(lake: Lake, parts: list[list[Sent]], *, stamped: str = "on arrival") -> None:
    """One worker reads the requests part by part, long after they came; nothing else ever comes."""
    logs: dict[Place, Log] = {(kind, p): [] for kind in (*KINDS, "consents") for p in (0, 1)}
    logs["requests", 0] = [sent for part in parts for sent in part]
    worker = Worker(lake, Disturbed(logs, stamped), [0], {})
    worker.turn(LATER, 0)
    for number, part in enumerate(parts):
        worker.turn(LATER + 20 * number + 10, len(part), close=number == len(parts) - 1)


def fold_in(lake: Lake) -> SettleReport:
    return settle(lake, horizon_us=HORIZON_US, now_us=START_US + 2 * LATER * SECOND)


def ends(lake: Lake) -> dict[str, object]:
    """Request → the end of what its current revision knows."""
    rows = lake.interactions().collect()
    return dict(rows.select("request_id", "evidence_until").iter_rows())


def test_a_repeat_from_a_wrong_clock_closed_the_window_before_the_next_one_was_read(lake: Lake) -> None:
    # The repeat takes no part, but its time moves the watermark: r0 settles with r2 as the next one.
    ahead = asked("x", DAY, session="other")
    read_in_parts(
        lake, [[asked("x", 0, session="other"), asked("r0", 0), asked("r2", 9), ahead], [asked("r1", 4)]]
    )
    assert ends(lake)["r0"] == at(BASE + 9)
    assert fold_in(lake).revised == 2
    assert ends(lake)["r0"] == at(BASE + 4)
