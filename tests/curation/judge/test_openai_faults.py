"""A thousand judgments under faults, any faults under any limits: nothing lost, every token accounted for."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.judge.budget import TokenEstimate
from curation.judge.verdicts import Judgment, Spend, UnjudgedReason, total_spent
from tests.curation.judge.expected import EMPTY, FINAL, LOST, MISFITS, TURNED_DOWN, Expected, expected
from tests.curation.judge.helpers import item, openai_judge
from tests.curation.judge.server import INPUT_TOKENS, OUTPUT_TOKENS, FakeServer, Host

ITEMS = 1_000
HANGING = {50, 60, 70, 80}
"""Calls that are never answered: few and early, as each holds its place for the whole timeout, which must be
long enough for every other call on a busy machine."""
PASSING = [*TURNED_DOWN, *(fault for fault in LOST if fault != "hang"), *EMPTY, *MISFITS, "slow", "prose"]
LASTING = [["wrong", "wrong"], ["truncated", "surrogate"], ["surrogate", "refusal"], *([f] for f in FINAL)]
LASTING += [[fault] * 5 for fault in (*TURNED_DOWN, *EMPTY, "reset", "cut")]


def scripts(rng: random.Random, share: float) -> dict[str, list[str]]:
    """Faults for a share of the items: most pass, some last."""
    made = {}
    for place, n in enumerate(
        rng.sample(sorted({*range(ITEMS)} - HANGING), int(ITEMS * share) - len(HANGING))
    ):
        lasting = place % 8 == 0
        passing = rng.choices(PASSING, k=rng.choice((1, 1, 1, 2)))
        made[f"item-{n}"] = LASTING[place // 8 % len(LASTING)] if lasting else passing
    return made | {f"item-{n}": ["hang"] for n in HANGING}


def test_a_thousand_judgments_under_faults(server: FakeServer) -> None:
    script = scripts(random.Random(7), 0.2)
    server.script = {name: list(faults) for name, faults in script.items()}
    server.storms = {100: 0.3, 500: 0.5, 900: 0.2}
    told: list[Judgment] = []
    judge = openai_judge(server.base_url, concurrency=32, timeout_seconds=10.0)
    items = [item(n) for n in range(ITEMS)]

    judgments = judge.judge(items, on_judgment=told.append)

    assert [j.request_id for j in judgments] == [i.request_id for i in items]
    assert sorted(j.request_id for j in told) == sorted(i.request_id for i in items)
    due = {f"item-{n}": expected(script.get(f"item-{n}", [])) for n in range(ITEMS)}
    got = {
        f"item-{j.request_id[1:]}": Expected(
            reason=j.reason,
            requests=server.calls[f"item-{j.request_id[1:]}"] - server.stormed[f"item-{j.request_id[1:]}"],
            calls=j.spent.calls,
            billed=j.spent.input_tokens // INPUT_TOKENS,
        )
        for j in judgments
    }
    assert got == due
    assert sum(j.verdict is not None for j in judgments) > 960
    assert len({j.reason for j in judgments}) == 8
    assert server.stormed.total() > 0
    assert_accounted(judge, server, judgments)


def assert_accounted(judge: Any, server: FakeServer, judgments: list[Judgment]) -> None:
    """The server's own count of what it answered is what was spent, to the token."""
    spent, budget = total_spent(judgments), judge.asker.budget
    assert (spent.input_tokens, spent.output_tokens) == (
        server.billed * INPUT_TOKENS,
        server.billed * OUTPUT_TOKENS,
    )
    assert spent.cost_usd == pytest.approx(server.billed * (INPUT_TOKENS + 4 * OUTPUT_TOKENS) / 1e6)
    assert (budget.spent.calls, budget.spent.tokens) == (spent.calls, spent.tokens)
    assert (budget.reserved.calls, budget.reserved.tokens) == (0, 0)
    assert budget.reserved.cost_usd == pytest.approx(0.0, abs=1e-12)


def test_who_waits_for_a_place_hears_that_the_server_asked_for_a_pause(server: FakeServer) -> None:
    server.delay = 0.05
    server.storms = {12: 0.6}
    judge = openai_judge(server.base_url, concurrency=32, timeout_seconds=5.0)
    judgments = judge.judge([item(n) for n in range(60)])
    assert all(j.verdict is not None for j in judgments)
    assert 0 < server.stormed.total() <= 12
    assert set(server.stormed.values()) == {1}


FAULTS = st.sampled_from([*TURNED_DOWN, *(f for f in LOST if f != "hang"), *EMPTY, *MISFITS, *FINAL, "prose"])
FATES = st.lists(st.lists(FAULTS, max_size=6), min_size=1, max_size=10)


@settings(max_examples=40)
@given(
    fates=FATES,
    calls=st.none() | st.integers(0, 40),
    tokens=st.none() | st.integers(0, 20_000),
    usd=st.none() | st.floats(0, 0.05),
    concurrency=st.integers(1, 16),
)
def test_any_faults_under_any_limits(
    judge_host: Host,
    fates: list[list[str]],
    calls: int | None,
    tokens: int | None,
    usd: float | None,
    concurrency: int,
) -> None:
    server = judge_host.server = FakeServer(base_url=judge_host.base_url)
    server.script = {f"item-{n}": list(faults) for n, faults in enumerate(fates)}
    limit = 10_000 if calls is None else calls
    judge = openai_judge(
        server.base_url,
        max_calls=limit,
        max_total_tokens=tokens,
        max_cost_usd=usd,
        concurrency=concurrency,
        timeout_seconds=30.0,
    )
    items = [item(n) for n in range(len(fates))]
    told: list[Judgment] = []
    judgments = judge.judge(items, on_judgment=told.append)

    assert [j.content_hash for j in judgments] == [i.content_hash for i in items]
    assert sorted(j.request_id for j in told) == sorted(j.request_id for j in judgments)
    assert_accounted(judge, server, judgments)
    spent = total_spent(judgments)
    assert spent.calls <= limit
    # The server answers with fewer tokens than any estimate, so nothing is overdrawn by a single one.
    assert TokenEstimate()(1_000) > INPUT_TOKENS
    assert tokens is None or spent.tokens <= tokens
    assert usd is None or spent.cost_usd <= usd
    for judgment, faults in zip(judgments, fates, strict=True):
        if judgment.reason is not UnjudgedReason.BUDGET:
            due = expected(faults)
            billed = judgment.spent.input_tokens // INPUT_TOKENS
            assert (judgment.reason, judgment.spent.calls, billed) == (due.reason, due.calls, due.billed)
    if calls is tokens is usd is None:
        assert UnjudgedReason.BUDGET not in {j.reason for j in judgments}


def test_calls_cancelled_in_flight_are_counted(server: FakeServer) -> None:
    server.delay = 0.5
    server.script = {"item-0": ["too_long"]} | {f"item-{n}": ["hang"] for n in range(1, 4)}

    def fail(judgment: Judgment) -> None:
        raise ZeroDivisionError

    judge = openai_judge(server.base_url, concurrency=4)
    with pytest.raises(ZeroDivisionError):
        judge.judge([item(n) for n in range(50)], on_judgment=fail)
    budget = judge.asker.budget
    assert budget.reserved == Spend()
    assert budget.spent.calls == 3
    assert len(server.requests) == 4
