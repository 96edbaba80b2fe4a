"""Which of two responses is better, in both orders, against a real endpoint."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import SettingsError
from contracts.events import Message
from contracts.messages import text_message
from curation.judge.answers import AnswerInvalid
from curation.judge.pairwise import (
    Candidate,
    Comparison,
    OrderJudgment,
    OrderVerdict,
    Preference,
    preference,
)
from curation.judge.pairwise_form import PreferenceForm
from curation.judge.pairwise_rows import outcome
from curation.judge.rubrics import load_rubric, pairwise_rubric_of
from curation.judge.verdicts import Spend, UnjudgedReason
from tests.curation.judge.helpers import comparison, openai_judge, pairwise_judge
from tests.curation.judge.server import FakeServer, always_first, better, longer, preferred
from tests.curation.judge.test_prompt import INJECTIONS, outside

LOST = better(lambda text: "lost" in text)


def test_a_consistent_judge_names_the_same_response_in_both_orders(server: FakeServer) -> None:
    server.prefer = LOST
    judge = pairwise_judge(server.base_url)
    found = judge.compare([comparison(1), comparison(2, a="It is order 4711.", b="It is lost.")])
    assert [p.winner for p in found] == ["a", "b"]
    assert [p.margin for p in found] == [pytest.approx(2 / 3 * 0.9)] * 2
    assert [p.spent.calls for p in found] == [2, 2]
    assert len(server.requests) == 4
    assert {p.epoch for p in found} == {judge.epoch.id}


def test_a_judge_that_follows_the_position_is_inconsistent(server: FakeServer) -> None:
    server.prefer = always_first
    (found,) = pairwise_judge(server.base_url).compare([comparison()])
    assert (found.winner, found.margin, found.reason) == ("inconsistent", None, None)


def test_a_tie_in_both_orders_is_a_tie_without_margin(server: FakeServer) -> None:
    server.prefer = better(lambda _: 0)
    (found,) = pairwise_judge(server.base_url).compare([comparison()])
    assert (found.winner, found.margin) == ("tie", 0.0)


def test_length_decides_for_a_judge_biased_by_it(server: FakeServer) -> None:
    server.prefer = longer
    (found,) = pairwise_judge(server.base_url).compare([comparison(a="short", b="much longer")])
    assert found.winner == "b"


def test_one_order_without_a_verdict_leaves_the_comparison_unjudged(server: FakeServer) -> None:
    server.script = {"item-1": ["", "refusal"]}
    (found,) = pairwise_judge(server.base_url, concurrency=1).compare([comparison(1)])
    assert (found.winner, found.reason) == (None, UnjudgedReason.REFUSAL)
    assert sum(v is not None for v in found.verdicts) == 1
    assert found.spent.calls == 2


def test_the_budget_ends_between_comparisons_rather_than_inside_them(server: FakeServer) -> None:
    server.prefer = LOST
    found = pairwise_judge(server.base_url, max_calls=4).compare([comparison(n) for n in range(4)])
    assert [p.winner for p in found] == ["a", "a", None, None]
    assert {p.reason for p in found[2:]} == {UnjudgedReason.BUDGET}


def test_an_answer_without_strength_is_repaired(server: FakeServer) -> None:
    answers = [{**preferred("first"), "strength": None}, preferred("first"), preferred("second")]
    server.prefer = lambda _first, _second: answers.pop(0)
    (found,) = pairwise_judge(server.base_url, concurrency=1).compare([comparison()])
    assert found.winner == "a"
    assert found.spent.calls == 3
    assert "improved_response" not in server.requests[1]["messages"][-1]["content"]


def test_the_judge_is_asked_with_a_strict_schema_and_no_hint_of_who_wrote_what(server: FakeServer) -> None:
    named = Message(
        role="assistant",
        name="model-x",
        parts=[{"type": "reasoning", "content": "as model-x I think"}, {"type": "text", "content": "yes"}],
    )
    compared = Comparison(
        request_id="r1",
        prompt=[text_message("system", "Be brief."), text_message("user", "item-1 Is it?")],
        a=Candidate(messages=[named], author="judge:r1", model="secret-judge"),
        b=Candidate(messages=[text_message("assistant", "no")], author="r1", model="secret-writer"),
        tools=[{"name": "lookup"}],
    )
    pairwise_judge(server.base_url).compare([compared])
    body = server.requests[0]
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["response_format"]["json_schema"]["schema"] == PreferenceForm().schema
    sent = body["messages"][1]["content"]
    for part in ("Be brief.", "Is it?", '"name":"lookup"', "first response, message 1", "yes", "no"):
        assert part in sent
    everything = " ".join(m["content"] for r in server.requests for m in r["messages"])
    for secret in ("model-x", "secret", "judge:r1", "failure score"):
        assert secret not in everything


@pytest.mark.parametrize("injection", INJECTIONS)
def test_injections_stay_inside_their_fence(server: FakeServer, injection: str) -> None:
    pairwise_judge(server.base_url).compare([comparison(a=f"{injection} MARK", b=f"{injection} other MARK")])
    for request in server.requests:
        sent = request["messages"][1]["content"]
        assert sent.count("MARK") == 2
        assert "MARK" not in outside(sent)


def test_the_two_orders_differ_and_share_their_pair() -> None:
    one = comparison()
    other = Comparison(request_id="r9", prompt=one.prompt, a=one.b, b=one.a)
    ab, ba = one.orders
    assert ab.content_hash != ba.content_hash
    assert one.pair_hash == other.pair_hash
    assert [o.content_hash for o in other.orders] == [ba.content_hash, ab.content_hash]
    assert (ab.first.chars, ab.second.chars) == (len("It is lost."), len("It is order 4711."))


def test_a_response_is_not_compared_with_itself() -> None:
    with pytest.raises(ValueError, match="with itself"):
        comparison(a="same", b="same")


def test_a_shared_order_is_asked_and_paid_once(server: FakeServer) -> None:
    server.prefer = LOST
    found = pairwise_judge(server.base_url).compare([comparison(1), comparison(1)])
    assert [p.winner for p in found] == ["a", "a"]
    assert [p.spent.calls for p in found] == [2, 0]
    assert server.billed == 2


def judgment(verdict: OrderVerdict | None, which: int) -> OrderJudgment:
    return OrderJudgment(
        order=comparison().orders[which],
        epoch="e",
        verdict=verdict,
        reason=UnjudgedReason.TIMEOUT if verdict is None else None,
        spent=Spend(calls=1),
    )


verdicts = st.builds(
    lambda winner, strength, confidence: OrderVerdict(
        winner=winner, strength=None if winner == "tie" else strength, confidence=confidence
    ),
    st.sampled_from(["first", "second", "tie"]),
    st.integers(1, 3),
    st.floats(0, 1),
)
maybe = st.none() | verdicts


def of(ab: OrderVerdict | None, ba: OrderVerdict | None) -> Preference:
    return preference(comparison(), judgment(ab, 0), judgment(ba, 1))


@given(maybe, maybe)
def test_a_winner_needs_both_orders_to_agree(ab: OrderVerdict | None, ba: OrderVerdict | None) -> None:
    found = of(ab, ba)
    assert found.spent.calls == 2
    if ab is None or ba is None:
        assert (found.winner, found.reason, found.margin) == (None, UnjudgedReason.TIMEOUT, None)
        return
    assert found.winner == outcome(ab.winner, ba.winner)
    assert (found.margin is None) == (found.winner == "inconsistent")
    assert found.margin is None or 0 <= found.margin <= 1
    assert found.winner != "tie" or found.margin == 0


@given(verdicts, verdicts)
def test_swapping_the_names_swaps_the_winner(ab: OrderVerdict, ba: OrderVerdict) -> None:
    swapped = {"a": "b", "b": "a"}
    one, other = of(ab, ba), of(ba, ab)
    assert one.winner is not None
    assert other.winner == swapped.get(one.winner, one.winner)
    assert one.margin == other.margin


def test_margins_grow_with_strength_and_confidence() -> None:
    def margin(strength: int, confidence: float) -> float:
        words = ("first", "second")
        a, b = (OrderVerdict(winner=w, strength=strength, confidence=confidence) for w in words)  # type: ignore[arg-type]
        found = of(a, b).margin
        assert found is not None
        return found

    assert margin(3, 1.0) == 1.0
    assert margin(1, 0.5) == pytest.approx(1 / 6, abs=1e-6)
    values = [margin(s, c) for s, c in product((1, 2, 3), (0.3, 0.9))]
    assert values[0] < values[1]
    assert values[0] < values[2] < values[4]


@pytest.mark.parametrize(
    "changes",
    [
        {"winner": "a"},
        {"strength": 4},
        {"strength": 0},
        {"strength": None},
        {"confidence": 1.2},
        {"extra": 1},
    ],
)
def test_answers_outside_the_form_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(AnswerInvalid):
        PreferenceForm().parse(msgspec.json.encode({**preferred("first"), **changes}).decode())


def test_the_epoch_is_another_one_than_the_pointwise_judge_has(server: FakeServer) -> None:
    pairwise, pointwise = pairwise_judge(server.base_url), openai_judge(server.base_url)
    assert pairwise.epoch.task == "pairwise"
    assert pairwise.epoch.id != pointwise.epoch.id
    assert pairwise.epoch.id != pairwise_judge(server.base_url, model="other").epoch.id


def test_a_rubric_for_one_task_is_refused_for_the_other(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="pairwise judging"):
        load_rubric("pairwise")
    with pytest.raises(SettingsError, match="pointwise judging"):
        load_rubric("default", task="pairwise")
    odd = tmp_path / "odd.md"
    odd.write_text('+++\nname = "odd"\nversion = "1"\ntask = "guess"\n+++\nbody')
    with pytest.raises(SettingsError, match="`task` must be"):
        load_rubric(odd)


def test_a_rubric_of_a_feature_brings_its_own_for_comparisons(tmp_path: Path) -> None:
    support = tmp_path / "support.md"
    assert pairwise_rubric_of(support).name == "pairwise"
    beside = tmp_path / "support.pairwise.md"
    beside.write_text('+++\nname = "support"\nversion = "2"\ntask = "pairwise"\n+++\nPrefer the polite one.')
    assert pairwise_rubric_of(support).body == "Prefer the polite one."
