"""The log of scheduled builds: one claim wins, whoever was overtaken finds out, ends are written once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.errors import Overtaken
from sinks.lake import Lake
from sinks.nightly_runs import CLAIMED, FAILED, PUBLISHED, RUNNING, Run, beat, begin, claim, end, read_runs

NIGHT = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)


def run(
    worker: str = "a", attempt: int = 1, state: str = CLAIMED, *, final: bool = False, seconds: int = 0
) -> Run:
    return Run(NIGHT, "default", attempt, state, final, worker, NIGHT + timedelta(seconds=seconds))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.create()
    return lake


def test_of_many_claims_at_once_one_wins(lake: Lake) -> None:
    start = threading.Barrier(8)

    def race(name: str) -> bool:
        start.wait(20)
        return claim(Lake(lake.root), run(name))

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(race, "abcdefgh"))
    assert sum(won) == 1
    (held,) = read_runs(lake, "default")
    assert held.worker == "abcdefgh"[won.index(True)]


def test_a_night_can_be_claimed_per_channel_night_and_attempt(lake: Lake) -> None:
    assert claim(lake, run())
    assert not claim(lake, run("b"))
    assert claim(lake, replace(run("b"), channel="other"))
    assert claim(lake, replace(run("b"), night=NIGHT + timedelta(days=1)))
    dead = replace(run(), state=FAILED, worker="b", detail="worker a fell silent")
    assert claim(lake, run("b", 2), dead)
    assert not claim(lake, run("a", 1))
    assert sorted((r.attempt, r.state) for r in read_runs(lake, "default") if r.night == NIGHT) == [
        (1, CLAIMED),
        (1, FAILED),
        (2, CLAIMED),
    ]


def test_a_heartbeat_tells_that_the_night_was_taken_over(lake: Lake) -> None:
    mine = run()
    assert claim(lake, mine)
    for number in (1, 2):
        beat(lake, replace(mine, state=RUNNING, at=NIGHT + timedelta(seconds=number)), number)
    (_, last) = read_runs(lake, "default")
    assert (last.state, last.at) == (RUNNING, NIGHT + timedelta(seconds=2))
    assert claim(lake, run("b", 2))
    with pytest.raises(Overtaken, match="attempt 2"):
        beat(lake, replace(mine, state=RUNNING), 3)


def test_an_end_is_written_once_and_never_after_that_of_a_later_attempt(lake: Lake) -> None:
    claim(lake, run())
    claim(lake, run("b", 2))
    end(lake, run("b", 2, PUBLISHED, final=True))
    end(lake, run("b", 2, FAILED, final=True))
    end(lake, run("a", 1, FAILED, final=True))
    assert [r.state for r in read_runs(lake, "default") if r.final] == [PUBLISHED]


def test_the_beginning_of_a_schedule_is_noted_once(lake: Lake) -> None:
    for worker in "ab":
        begin(lake, run(worker, 0, "scheduled", final=True))
    assert [r.worker for r in read_runs(lake, "default")] == ["a"]


def test_a_lake_of_an_older_release_has_no_runs(tmp_path: Path) -> None:
    assert read_runs(Lake(tmp_path), "default") == []
