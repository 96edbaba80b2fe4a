"""The online hour outlives its process: a crash loop cannot spend it again and again."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from contracts.settings import JudgeSettings, Settings
from curation.judge.verdicts import Spend
from sinks.judge_journal import FOLDER, JudgeJournal
from sinks.judgments import store_judgments
from sinks.lake import Lake
from streams.reactions.budget import share_of
from streams.reactions.failures import CONSENT_SCHEMA
from streams.reactions.judging import OnlineJudge
from streams.reactions.metrics import StatsCollector
from streams.reactions.spending import spent_online
from streams.reactions.stats import ReactionStats
from tests.curation.judge.server import Host, hosted
from tests.factories import table_rows
from tests.streams.reactions.test_budget import failures_in

NOBODY = pl.DataFrame(schema=CONSENT_SCHEMA)


@pytest.fixture(scope="module")
def host() -> Any:
    with hosted() as host:
        yield host


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.create()
    return lake


def online(host: Host, lake: Lake, home: Path, **limits: Any) -> tuple[OnlineJudge, ReactionStats]:
    """A judge as a worker makes it when it starts."""
    settings = JudgeSettings(
        kind="openai",
        base_url=host.base_url,
        api_key=SecretStr("k"),
        model="fake",
        input_usd_per_million=1.0,
        output_usd_per_million=4.0,
        **limits,
    )
    stats = ReactionStats()
    return OnlineJudge(Settings(judge=settings, home=home), lake, stats), stats


def earlier(ago_s: float, **fields: Any) -> dict[str, Any]:
    """A verdict in `judgments` of so many seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    return {
        "epoch": "e1",
        "content_hash": f"c{ago_s}",
        "request_id": "r",
        "confidence": 0.5,
        "origin": "online",
        "calls": 1,
        "judge": "openai:fake",
        "verdict": "pass",
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_usd": 0.01,
        "judged_at": at,
        "date": at.date(),
        **fields,
    }


def test_a_crash_loop_spends_an_hour_once(host: Host, lake: Lake, tmp_path: Path) -> None:
    failures = failures_in(lake, [f"no r{n}" for n in range(12)])
    before = len(host.server.requests)
    left = []
    for start in range(0, 12, 3):
        judge, stats = online(host, lake, tmp_path, online_calls_per_hour=7)
        judge.judge(failures[start : start + 3], NOBODY)
        left.append(stats.judge_budget_left()["calls"])
    assert len(host.server.requests) - before == 7
    assert left == [4, 1, 0, 0]
    assert stats.unjudged == {"budget": 3}


@pytest.mark.parametrize(
    ("limits", "judged"),
    [
        ({"online_calls_per_hour": 6}, 6 - 3),
        ({"online_calls_per_hour": 100, "online_tokens_per_hour": 240}, 0),
        ({"online_calls_per_hour": 100, "online_cost_per_hour_usd": 0.02}, 0),
        ({"online_calls_per_hour": 100, "online_tokens_per_hour": 100_000}, 5),
    ],
)
def test_calls_tokens_and_money_of_the_last_hour_count(
    host: Host, lake: Lake, tmp_path: Path, limits: dict[str, Any], judged: int
) -> None:
    spent = [
        earlier(10, calls=2),
        earlier(3000, calls=None),  # of a release that did not count them
        earlier(3700, calls=50, cost_usd=9.0, input_tokens=10**6),
        earlier(20, origin="nightly", calls=50, cost_usd=9.0, input_tokens=10**6),
        earlier(30, origin=None, calls=50),
    ]
    store_judgments(lake, table_rows("judgments", spent))
    judge, stats = online(host, lake, tmp_path, **limits)
    judge.judge(failures_in(lake, [f"no r{n}" for n in range(5)]), NOBODY)
    assert stats.verdicts.total() == judged
    assert stats.unjudged == ({"budget": 5 - judged} if judged < 5 else {})


def test_what_a_dead_process_had_only_noted_counts_too(host: Host, lake: Lake, tmp_path: Path) -> None:
    with JudgeJournal(tmp_path / FOLDER) as journal:
        for n in range(4):
            journal.note(earlier(n + 1))
    judge, stats = online(host, lake, tmp_path, online_calls_per_hour=5)
    judge.judge(failures_in(lake, [f"no r{n}" for n in range(3)]), NOBODY)
    assert (stats.verdicts, stats.unjudged) == ({"fail": 1}, {"budget": 2})
    assert lake.scan("judgments").collect().height == 5


def test_every_worker_takes_its_share_of_what_is_spent(host: Host, lake: Lake, tmp_path: Path) -> None:
    store_judgments(lake, table_rows("judgments", [earlier(n) for n in range(1, 9)]))
    judge, stats = online(host, lake, tmp_path, online_calls_per_hour=20)
    failures = failures_in(lake, [f"no r{n}" for n in range(20)])
    judge.judge(failures[:3], NOBODY, share=0.25)
    assert (stats.verdicts, stats.judge_budget_left()["calls"]) == ({"fail": 3}, 0)
    # the others died, and this worker has all partitions: 8 of them and 3 of its own are spent
    judge.judge(failures[3:], NOBODY, share=1.0)
    assert (stats.verdicts["fail"], stats.judge_calls) == (12, 12)


def test_answers_without_a_verdict_are_paid_and_seen(host: Host, lake: Lake, tmp_path: Path) -> None:
    before, billed = len(host.server.requests), host.server.billed
    host.server.always = "refusal"
    failures = failures_in(lake, [f"no r{n}" for n in range(4)])
    judge, stats = online(host, lake, tmp_path, online_calls_per_hour=3)
    try:
        judge.judge(failures, NOBODY)
        judge.judge(failures, NOBODY, share=0.5)  # a rebalance forgets nothing either
    finally:
        host.server.always = ""
    assert stats.unjudged == {"refusal": 3, "budget": 1 + 4}
    assert len(host.server.requests) - before == stats.judge_calls == 3
    assert stats.judge_input_tokens == 100 * (host.server.billed - billed)
    metrics = StatsCollector(None, stats)
    found = {s.name + str(s.labels): s.value for family in metrics.collect() for s in family.samples}
    assert found["tailrace_judge_budget_left{'limit': 'calls'}"] == 0
    assert found["tailrace_judge_calls_total{}"] == 3
    assert found["tailrace_judge_cost_usd_total{}"] == pytest.approx(3 * 180e-6)


def test_the_hour_is_read_back_in_steps(lake: Lake) -> None:
    now = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)

    def at(seconds: int) -> dict[str, Any]:
        moment = now - timedelta(seconds=seconds)
        return earlier(seconds, judged_at=moment, date=moment.date())

    store_judgments(lake, table_rows("judgments", [at(s) for s in (3601, 3599, 1803, 1801, 1, 0)]))
    entries = spent_online(lake, int(now.timestamp()) * 1_000_000)
    assert [(ago, spend.calls) for ago, spend in entries] == [(3599, 1), (1801, 2), (1, 1), (0, 1)]
    assert sum(spend.tokens for _, spend in entries) == 5 * 120
    assert spent_online(lake, time.time_ns() // 1_000) == []


@given(st.lists(st.integers(0, 9), max_size=30), st.lists(st.integers(1, 8), min_size=1, max_size=6))
def test_shares_of_all_workers_cover_what_was_spent(calls: list[int], partitions: list[int]) -> None:
    entries = [(float(-n), Spend(calls=c, input_tokens=3 * c, cost_usd=c / 7)) for n, c in enumerate(calls)]
    shares = [share_of(entries, own / sum(partitions)) for own in partitions]
    totals = [sum((spend for _, spend in share), Spend()) for share in shares]
    for got, due in (
        (sum(t.calls for t in totals), sum(calls)),
        (sum(t.input_tokens for t in totals), 3 * sum(calls)),
    ):
        assert due <= got <= due + len(partitions)
    assert sum(t.cost_usd for t in totals) == pytest.approx(sum(calls) / 7)
    assert all(spend.calls >= 0 and spend.input_tokens >= 0 for share in shares for _, spend in share)
