"""`tailrace drop --dry-run`: what judging would cost, before anything is asked, paid or written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sinks.lake import Lake
from tests.console.commands import answer, tailrace
from tests.curation.dialogues import edited, regenerated
from tests.curation.judge.server import FakeServer, Host, hosted
from tests.lakes import ingest, new_lake


@pytest.fixture
def judge_server() -> Iterator[FakeServer]:
    with hosted() as host:
        yield _fresh(host)


def _fresh(host: Host) -> FakeServer:
    host.server = FakeServer(base_url=host.base_url)
    return host.server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lake = new_lake(tmp_path / "lake")
    ingest(lake, [event for n in range(6) for event in edited(f"e{n}")] + regenerated("b"))
    return tmp_path


def versions(home: Path) -> dict[str, int]:
    lake = Lake(home / "lake")
    return {name: lake.version(name) for name in ("interactions", "judgments", "quarantine", "drops")}


def dry_run(home: Path, server: FakeServer, **settings: str) -> tuple[dict[str, Any], str]:
    env = {
        "TAILRACE_JUDGE__KIND": "openai",
        "TAILRACE_JUDGE__BASE_URL": server.base_url,
        "TAILRACE_JUDGE__INPUT_USD_PER_MILLION": "1",
        "TAILRACE_CURATION__CONTROL_SHARE": "0",
        **settings,
    }
    found = answer(tailrace("drop", "--dry-run", "--json", "--home", home, cwd=home, **env))
    shown = tailrace("drop", "--dry-run", "--home", home, cwd=home, **env)
    return found, shown.stdout + shown.stderr


def test_it_says_what_judging_would_cost_and_does_nothing(home: Path, judge_server: FakeServer) -> None:
    before = versions(home)
    found, shown = dry_run(home, judge_server)
    forecast = found["forecast"]
    assert (found["candidates"], forecast["contents"], forecast["cached"], forecast["asked"]) == (7, 7, 0, 7)
    assert forecast["expected"]["calls"] == 7
    assert 0 < forecast["expected"]["cost_usd"] < forecast["at_most"]["cost_usd"]
    assert found["comparisons_at_most"] == 14
    assert "7 to be asked (live)" in shown
    assert judge_server.requests == []
    assert versions(home) == before
    assert list((home / "drops").glob("2*")) == []


def test_it_names_the_limit_that_would_stop_the_run(home: Path, judge_server: FakeServer) -> None:
    found, shown = dry_run(home, judge_server, TAILRACE_JUDGE__MAX_CALLS="3")
    assert (found["forecast"]["asked"], found["forecast"]["unjudged"], found["forecast"]["limit"]) == (
        3,
        4,
        "calls",
    )
    assert "judge.max_calls stops the run" in shown


def test_what_is_judged_already_costs_nothing(home: Path, judge_server: FakeServer) -> None:
    env = {
        "TAILRACE_JUDGE__KIND": "openai",
        "TAILRACE_JUDGE__BASE_URL": judge_server.base_url,
        "TAILRACE_CURATION__CONTROL_SHARE": "0",
    }
    answer(tailrace("drop", "--json", "--home", home, cwd=home, **env))
    found, _ = dry_run(home, judge_server)
    # the drop is part of the lake now: what it holds comes again only as replay
    assert found["forecast"]["asked"] == 0
    assert found["forecast"]["cached"] == found["forecast"]["contents"]


def test_every_member_of_a_panel_is_counted_at_its_own_price(home: Path, judge_server: FakeServer) -> None:
    alone, _ = dry_run(home, judge_server)
    member = {"base_url": judge_server.base_url, "model": "other", "input_usd_per_million": 3}
    found, shown = dry_run(home, judge_server, TAILRACE_JUDGE__PANEL=json.dumps([member]))
    assert found["judge"] == "panel:gpt-4.1-mini+other"
    one, both = alone["forecast"], found["forecast"]
    assert (both["contents"], both["asked"]) == (14, 14)
    assert both["expected"]["input_tokens"] == 2 * one["expected"]["input_tokens"]
    assert both["expected"]["cost_usd"] == pytest.approx(4 * one["expected"]["cost_usd"])
    assert found["comparisons_at_most"] == 2 * alone["comparisons_at_most"] == 28
    assert "14 to be asked" in shown


def test_a_limit_holds_for_the_panel_together(home: Path, judge_server: FakeServer) -> None:
    member = {"base_url": judge_server.base_url, "model": "other"}
    panel = json.dumps([member])
    found, _ = dry_run(home, judge_server, TAILRACE_JUDGE__PANEL=panel, TAILRACE_JUDGE__MAX_CALLS="9")
    assert (found["forecast"]["asked"], found["forecast"]["limit"]) == (9, "calls")
