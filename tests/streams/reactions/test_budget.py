"""The online judge's hour: never overdrawn, shared by partitions, what is left over is counted."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from contracts.settings import JudgeSettings, Settings
from curation.judge.budget import Limits
from curation.judge.verdicts import Spend
from sinks.lake import Lake
from streams.reactions.budget import HourlyBudget
from streams.reactions.failures import CONSENT_SCHEMA, decode_failure
from streams.reactions.judging import OnlineJudge
from streams.reactions.stats import ReactionStats
from tests.curation.judge.server import hosted
from tests.streams.reactions.failing import stored_failures


def test_an_hour_slides_and_is_shared() -> None:
    now = [0.0]
    call = Spend(calls=1, input_tokens=60, output_tokens=40, cost_usd=0.1)
    budget = HourlyBudget(Limits(calls=4), clock=lambda: now[0])
    budget.begin(0.5, [])
    assert [budget.take(call) for _ in range(3)] == [True, True, False]
    budget.book(call, call)
    budget.book(call, call)
    assert not budget.take(call)
    now[0] = 3600.0
    assert budget.take(call)


@pytest.mark.parametrize(("limit", "lacks"), [({"tokens": 250}, "tokens"), ({"cost_usd": 0.25}, "cost")])
def test_tokens_and_money_have_an_hour_too(limit: dict[str, Any], lacks: str) -> None:
    call = Spend(calls=1, input_tokens=60, output_tokens=40, cost_usd=0.1)
    budget = HourlyBudget(Limits(**limit), clock=lambda: 0.0)
    assert [budget.take(call) for _ in range(3)] == [True, True, False]
    assert budget.lacks(call) == lacks
    budget.book(call, Spend(calls=1, input_tokens=10, output_tokens=1, cost_usd=0.01))
    assert budget.take(call)


def failures_in(lake: Lake, said: list[str]) -> list[Any]:
    """Failures with these answers, in the lake and as they come from their topic."""
    values = stored_failures(lake, {f"r{n}": text for n, text in enumerate(said)})
    return [decode_failure(value, max_bytes=1 << 20) for value in values.values()]


def test_over_budget_is_left_unjudged_and_counted(tmp_path: Any) -> None:
    lake = Lake(tmp_path / "lake")
    lake.create()
    failures = failures_in(lake, [f"no r{n}" for n in range(5)])
    stats = ReactionStats()
    none = pl.DataFrame(schema=CONSENT_SCHEMA)
    with hosted() as host:
        judge_settings = JudgeSettings(
            kind="openai",
            base_url=host.base_url,
            api_key=SecretStr("k"),
            model="fake",
            online_calls_per_hour=2,
        )
        judge = OnlineJudge(Settings(judge=judge_settings, home=tmp_path), lake, stats)
        judge.judge(failures, none)
        assert (stats.verdicts, stats.unjudged) == ({"fail": 2}, {"budget": 3})
        judge.judge(failures, none)
    assert (stats.verdicts, stats.unjudged) == ({"fail": 4}, {"budget": 6})
    assert stats.judge_calls == 2
    assert lake.scan("judgments").collect().height == 2


def test_the_judges_endpoint_sees_no_personal_data(tmp_path: Any) -> None:
    lake = Lake(tmp_path / "lake")
    lake.create()
    failures = failures_in(lake, ["Written to JO@example.com, call +49 151 23456789"])
    with hosted() as host:
        judge_settings = JudgeSettings(
            kind="openai", base_url=host.base_url, api_key=SecretStr("k"), model="fake"
        )
        judge = OnlineJudge(Settings(judge=judge_settings, home=tmp_path), lake, ReactionStats())
        judge.judge(failures, pl.DataFrame(schema=CONSENT_SCHEMA))
    (sent,) = map(str, host.server.requests)
    assert "I am <EMAIL_1>" in sent
    assert "Written to <EMAIL_1>, call <PHONE_1>" in sent
    assert "example.com" not in sent
