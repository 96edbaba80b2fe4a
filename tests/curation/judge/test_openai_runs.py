"""Whole runs of the LLM judge: nothing lost under faults, budget, concurrency, order, progress."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from curation.judge.verdicts import Judgment, Spend, UnjudgedReason, total_spent
from tests.curation.judge.helpers import item, openai_judge
from tests.curation.judge.server import INPUT_TOKENS, OUTPUT_TOKENS, FakeServer

LOST_ANSWERS = ["hang", "cut", "half_body", "html"]
TURNED_DOWN = ["429", "status:500", "status:503"]
BAD_ANSWERS = ["empty_choices", "wrong", "truncated"]


def test_under_faults_every_item_is_judged_exactly_once(server: FakeServer) -> None:
    rng = random.Random(5)
    hit = rng.sample(range(200), 40)
    faults = {n: rng.choice(LOST_ANSWERS + TURNED_DOWN + BAD_ANSWERS) for n in hit}
    server.script = {f"item-{n}": [fault] for n, fault in faults.items()}
    items = [item(n) for n in range(200)]
    progress: list[str] = []

    # long enough that only the hanging calls run into it, also on a busy machine
    judge = openai_judge(server.base_url, concurrency=16, timeout_seconds=2.0)
    judgments = judge.judge(items, on_judgment=lambda j: progress.append(j.request_id))

    assert [j.request_id for j in judgments] == [i.request_id for i in items]
    assert [j.content_hash for j in judgments] == [i.content_hash for i in items]
    assert all(j.verdict is not None and j.epoch == judge.epoch.id for j in judgments)
    assert sorted(progress) == sorted(i.request_id for i in items)
    # one call per item, one more per fault
    assert server.calls == Counter({f"item-{n}": 2 if n in faults else 1 for n in range(200)})
    spent = total_spent(judgments)
    assert spent.input_tokens == server.billed * INPUT_TOKENS
    assert spent.output_tokens == server.billed * OUTPUT_TOKENS
    assert spent.cost_usd == pytest.approx(server.billed * (INPUT_TOKENS + 4 * OUTPUT_TOKENS) / 1e6)
    turned_down = sum(fault in TURNED_DOWN for fault in faults.values())
    assert spent.calls == 240 - turned_down == judge.asker.budget.spent.calls
    assert server.billed == 200 + sum(fault in BAD_ANSWERS for fault in faults.values())
    assert all(
        (j.verdict.input_tokens, j.verdict.cost_usd) == (j.spent.input_tokens, j.spent.cost_usd)
        for j in judgments
        if j.verdict
    )


def test_the_budget_stops_the_run_and_names_the_rest(server: FakeServer) -> None:
    judge = openai_judge(server.base_url, max_calls=12)
    items = [item(n) for n in range(30)]
    first, second = judge.judge(items[:20]), judge.judge(items[20:])
    judgments = first + second
    assert [j.reason for j in judgments] == [None] * 12 + [UnjudgedReason.BUDGET] * 18
    assert len(server.requests) == 12
    assert total_spent(judgments).calls == 12


def test_repairs_and_lost_answers_draw_on_the_budget(server: FakeServer) -> None:
    server.script = {"item-0": ["wrong"], "item-1": ["half_body"], "item-2": ["429", "429"]}
    judge = openai_judge(server.base_url, max_calls=5, concurrency=1)
    judgments = judge.judge([item(n) for n in range(5)])
    assert [j.reason for j in judgments] == [None, None, None, *[UnjudgedReason.BUDGET] * 2]
    assert [j.spent.calls for j in judgments] == [2, 2, 1, 0, 0]


def test_a_budget_spent_in_the_middle_of_an_item_keeps_its_cost(server: FakeServer) -> None:
    server.script = {"item-0": ["wrong"]}
    (judgment,) = openai_judge(server.base_url, max_calls=1).judge([item(0)])
    assert judgment.reason is UnjudgedReason.BUDGET
    assert judgment.spent.input_tokens == INPUT_TOKENS


def test_no_budget_makes_no_calls(server: FakeServer) -> None:
    judgments = openai_judge(server.base_url, max_calls=0).judge([item(1), item(2)])
    assert [j.reason for j in judgments] == [UnjudgedReason.BUDGET] * 2
    assert server.requests == []


def test_concurrency_is_used_and_bounded(server: FakeServer) -> None:
    server.delay = 0.05
    openai_judge(server.base_url, concurrency=5, timeout_seconds=5).judge([item(n) for n in range(30)])
    assert server.most_in_flight == 5


def test_equal_content_is_paid_once(server: FakeServer) -> None:
    items = [item(1), item(2), item(1)]
    progress: list[str] = []
    judgments = openai_judge(server.base_url).judge(
        items, on_judgment=lambda j: progress.append(j.request_id)
    )
    assert len(server.requests) == 2
    assert judgments[0].verdict == judgments[2].verdict
    assert judgments[2].spent == Spend()
    assert sorted(progress) == ["r1", "r2"]


def test_nothing_to_judge_opens_no_connection() -> None:
    assert openai_judge("http://127.0.0.1:9/v1").judge([]) == []


def test_a_failing_progress_callback_stops_the_run_with_its_own_error(server: FakeServer) -> None:
    def fail(judgment: Judgment) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        openai_judge(server.base_url, concurrency=4).judge([item(n) for n in range(50)], on_judgment=fail)
    assert len(server.requests) < 50


def test_a_limit_on_tokens_stops_before_it_is_passed_and_says_so(server: FakeServer) -> None:
    # every answer is 120 tokens; a question is estimated much higher
    judgments = openai_judge(server.base_url, max_total_tokens=10_000).judge([item(n) for n in range(200)])
    judged = [j for j in judgments if j.verdict]
    assert total_spent(judgments).tokens == 120 * len(judged) <= 10_000
    assert len(judged) > 40
    rest = [j for j in judgments if not j.verdict]
    assert {(j.reason, j.detail) for j in rest} == {
        (UnjudgedReason.BUDGET, "the budget leaves no tokens for it")
    }
    assert len(server.requests) == len(judged)


def test_a_limit_on_money_stops_before_it_is_passed(server: FakeServer) -> None:
    judgments = openai_judge(server.base_url, max_cost_usd=0.01).judge([item(n) for n in range(200)])
    spent = total_spent(judgments)
    assert spent.cost_usd <= 0.01
    assert spent.calls > 30
    assert {j.detail for j in judgments if not j.verdict} == {"the budget leaves no cost for it"}


def test_calls_that_were_turned_down_for_good_give_their_budget_back(server: FakeServer) -> None:
    server.script = {"item-0": ["429"] * 3}
    judge = openai_judge(server.base_url, max_calls=2, max_retries=2, concurrency=1)
    judgments = judge.judge([item(n) for n in range(3)])
    assert [j.reason for j in judgments] == [UnjudgedReason.RATE_LIMITED, None, None]
    assert judge.asker.budget.reserved == Spend()
