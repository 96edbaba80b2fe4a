"""The LLM judge over real HTTP: answers, faults, retries, repair, dialects."""

from __future__ import annotations

import socket

import pytest

from contracts.errors import JudgeRefused
from curation.judge.verdicts import FailureKind, Judgment, Spend, UnjudgedReason
from tests.curation.judge.helpers import KEY, item, openai_judge
from tests.curation.judge.server import INPUT_TOKENS, OUTPUT_TOKENS, FakeServer


def judge_one(server: FakeServer, *faults: str, **changes: object) -> Judgment:
    server.script["item-1"] = list(faults)
    (judgment,) = openai_judge(server.base_url, **changes).judge([item(1)])
    return judgment


def test_a_good_answer_becomes_a_verdict_with_its_cost(server: FakeServer) -> None:
    judgment = judge_one(server)
    verdict = judgment.verdict
    assert verdict is not None
    assert (verdict.verdict, verdict.failure_kind, verdict.severity) == ("fail", FailureKind.FACTUAL, 3)
    assert (verdict.input_tokens, verdict.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
    cost = (INPUT_TOKENS * 1.0 + OUTPUT_TOKENS * 4.0) / 1e6
    assert judgment.spent == Spend(
        calls=1, input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS, cost_usd=cost
    )
    assert verdict.cost_usd == cost


def test_the_request_asks_for_strict_structured_output(server: FakeServer) -> None:
    judge_one(server)
    (request,) = server.requests
    wanted = request["response_format"]["json_schema"]
    assert wanted["strict"] is True
    assert wanted["schema"]["additionalProperties"] is False
    assert set(wanted["schema"]["required"]) == set(wanted["schema"]["properties"])
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("fake", 0.0, 300)
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("fault", ["429", "status:500", "status:503", "cut", "half_body", "html"])
def test_a_passing_fault_is_retried(server: FakeServer, fault: str) -> None:
    judgment = judge_one(server, fault, fault)
    assert judgment.verdict is not None
    assert server.calls["item-1"] == 3
    assert judgment.spent.input_tokens == INPUT_TOKENS


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_a_hanging_or_trickling_server_times_out_and_is_retried(server: FakeServer, fault: str) -> None:
    judgment = judge_one(server, fault, timeout_seconds=0.4)
    assert judgment.verdict is not None
    # the fate of the call that timed out is unknown: it counts
    assert judgment.spent.calls == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("429", UnjudgedReason.RATE_LIMITED),
        ("status:502", UnjudgedReason.UNAVAILABLE),
        ("cut", UnjudgedReason.UNAVAILABLE),
        ("hang", UnjudgedReason.TIMEOUT),
        ("empty_choices", UnjudgedReason.EMPTY_ANSWER),
        ("wrong", UnjudgedReason.INVALID_ANSWER),
        ("truncated", UnjudgedReason.INVALID_ANSWER),
        ("refusal", UnjudgedReason.REFUSAL),
        ("filter", UnjudgedReason.CONTENT_FILTER),
        ("too_long", UnjudgedReason.TOO_LONG),
        ("status:400", UnjudgedReason.REJECTED),
    ],
)
def test_a_lasting_fault_leaves_the_item_unjudged_with_the_reason(
    server: FakeServer, fault: str, reason: UnjudgedReason
) -> None:
    server.always = fault
    timeout = 0.2 if fault == "hang" else 5.0
    (judgment,) = openai_judge(server.base_url, max_retries=1, timeout_seconds=timeout).judge([item(1)])
    assert judgment.verdict is None
    assert judgment.reason is reason
    assert judgment.spent.input_tokens == server.billed * INPUT_TOKENS
    assert "secret" not in judgment.detail
    assert "order" not in judgment.detail


def test_retry_after_is_waited_for_and_holds_back_the_others(server: FakeServer) -> None:
    server.script["item-1"] = ["429:0.6"]
    server.delay = 0.05
    items = [item(n) for n in range(1, 21)]
    judgments = openai_judge(server.base_url, concurrency=4).judge(items)
    assert all(j.verdict for j in judgments)
    assert judgments[0].spent.calls == 1
    # those in flight, and what they may have started before the answer to the first was read
    before = [t for t in server.times if t - server.times[0] < 0.6]
    assert len(before) <= 8


def test_a_wait_longer_than_our_patience_is_not_waited_for(server: FakeServer) -> None:
    judgment = judge_one(server, "429:3600")
    assert judgment.reason is UnjudgedReason.RATE_LIMITED
    assert server.calls["item-1"] == 1


@pytest.mark.parametrize("fault", ["wrong", "truncated"])
def test_an_answer_that_does_not_fit_is_repaired_once(server: FakeServer, fault: str) -> None:
    judgment = judge_one(server, fault)
    assert judgment.verdict is not None
    assert judgment.spent.calls == 2
    assert judgment.verdict.input_tokens == 2 * INPUT_TOKENS
    repair = server.requests[1]["messages"]
    assert [m["role"] for m in repair] == ["system", "user", "assistant", "user"]
    assert '"additionalProperties":false' in repair[3]["content"]


def test_without_structured_output_plain_json_is_asked_for(server: FakeServer) -> None:
    server.always = "no_schema"
    judge = openai_judge(server.base_url, concurrency=1)
    judgments = judge.judge([item(1), item(2)])
    assert all(j.verdict for j in judgments)
    # learnt once, then remembered; the rejected requests were not billed
    assert [r.get("response_format", {}).get("type") for r in server.requests] == [
        *("json_schema", "json_object", None, None)
    ]
    assert [j.spent.calls for j in judgments] == [1, 1]


def test_a_server_that_wants_the_schema_beside_json_object_gets_it_there(server: FakeServer) -> None:
    server.always = "no_json_schema"
    judgments = openai_judge(server.base_url, concurrency=1).judge([item(1), item(2)])
    assert all(j.verdict for j in judgments)
    strict, *others = [r["response_format"] for r in server.requests]
    assert others == [{"type": "json_object", "schema": strict["json_schema"]["schema"]}] * 2


def test_json_in_prose_and_code_fences_is_read(server: FakeServer) -> None:
    assert judge_one(server, "prose").verdict is not None


def test_models_that_renamed_or_dropped_parameters_are_served(server: FakeServer) -> None:
    server.always = "old_names"
    (judgment,) = openai_judge(server.base_url).judge([item(1)])
    assert judgment.verdict is not None
    assert server.requests[-1]["max_completion_tokens"] == 300
    assert "temperature" not in server.requests[-1]


@pytest.mark.parametrize("fault", ["status:401", "status:403", "status:404", "quota"])
def test_an_endpoint_that_refuses_us_stops_the_run(server: FakeServer, fault: str) -> None:
    server.always = fault
    judge = openai_judge(server.base_url, concurrency=2)
    with pytest.raises(JudgeRefused) as caught:
        judge.judge([item(n) for n in range(50)])
    assert len(server.requests) <= 2
    assert caught.value.hint
    shown = f"{caught.value!r} {judge!r} {vars(caught.value)}"
    assert "secret" not in shown
    # nothing that carries request headers hangs on the exception
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_refusal_during_the_run_keeps_the_verdicts_already_paid(server: FakeServer) -> None:
    server.script["item-3"] = ["status:401"]
    judgments = openai_judge(server.base_url, concurrency=1).judge([item(n) for n in range(1, 7)])
    assert [j.reason for j in judgments] == [None, None, *[UnjudgedReason.ENDPOINT_REFUSED] * 4]
    assert server.calls["item-4"] == 0


def test_nobody_listening_is_unavailable_and_the_rest_is_spared() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    judge = openai_judge(f"http://127.0.0.1:{port}/v1", max_retries=0, concurrency=4)
    judgments = judge.judge([item(n) for n in range(100)])
    reasons = [j.reason for j in judgments]
    assert reasons.count(UnjudgedReason.UNAVAILABLE) + reasons.count(UnjudgedReason.ENDPOINT_DOWN) == 100
    assert reasons.count(UnjudgedReason.UNAVAILABLE) < 25


def test_the_key_appears_nowhere(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    judge = openai_judge(server.base_url)
    judge.judge([item(1, text="my-private-text")])
    assert "secret" not in f"{judge!r} {vars(judge)} {judge.epoch.manifest()} {caplog.text}"
    assert "my-private-text" not in caplog.text
