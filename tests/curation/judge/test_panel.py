"""Several judges as one: unanimous or left to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.judge.pairwise import OrderJudgment, OrderVerdict, Preference, preference
from curation.judge.panel import PANEL_SPLIT, PanelComparer, PanelJudge, combined
from curation.judge.panel_stats import Vote, panel_manifest
from curation.judge.verdicts import FailureKind, Judgment, Spend, UnjudgedReason, Verdict
from tests.curation.judge.helpers import comparison, item, openai_judge, pairwise_judge
from tests.curation.judge.server import FakeServer

SPENT = Spend(calls=1, input_tokens=100, output_tokens=20, cost_usd=0.5)


def panel(server: FakeServer, *models: str) -> PanelJudge:
    return PanelJudge([openai_judge(server.base_url, model=model) for model in models])


def said(word: str | None, member: int = 0, improved: str | None = None, **fields: object) -> Judgment:
    fields = {"failure_kind": FailureKind.FACTUAL, "severity": 3} | fields if word == "fail" else fields
    verdict = word and Verdict(
        verdict=word,  # type: ignore[arg-type]
        confidence=0.8 if member else 0.6,
        rationale=f"as {member} says",
        improved_response=improved,
        input_tokens=100,
        output_tokens=20,
        cost_usd=0.5,
        **fields,  # type: ignore[arg-type]
    )
    return Judgment(
        request_id="r1",
        content_hash="c1",
        epoch=f"e{member}",
        verdict=verdict or None,
        reason=None if word else UnjudgedReason.UNAVAILABLE,
        detail="" if word else "no answer",
        spent=SPENT,
    )


@pytest.fixture
def three(server: FakeServer) -> PanelJudge:
    return panel(server, "one", "two", "three")


words = st.sampled_from(["fail", "pass", "unsure", None])


@given(votes=st.tuples(words, words, words))
def test_only_what_all_members_say_is_decided(votes: tuple[str | None, ...]) -> None:
    judge = panel(FakeServer(base_url="http://127.0.0.1:9/v1"), "one", "two", "three")
    found = judge.combined([said(word, n) for n, word in enumerate(votes)])
    assert found.epoch == judge.epoch.id
    assert found.spent == Spend(calls=3, input_tokens=300, output_tokens=60, cost_usd=1.5)
    if None in votes:
        assert (found.verdict, found.reason) == (None, UnjudgedReason.UNAVAILABLE)
        assert found.detail.startswith("openai:")
        return
    assert found.verdict is not None
    assert found.verdict.cost_usd == 1.5
    if len(set(votes)) == 1:
        assert (found.verdict.verdict, found.detail) == (votes[0], "")
    else:
        assert (found.verdict.verdict, found.detail) == ("unsure", PANEL_SPLIT)
        assert found.verdict.improved_response is None


def test_a_unanimous_verdict_takes_the_middle_of_what_members_say(three: PanelJudge) -> None:
    kinds = [FailureKind.FORMAT, FailureKind.FACTUAL, FailureKind.FACTUAL]
    votes = [
        said("fail", n, failure_kind=kind, severity=severity)
        for n, (kind, severity) in enumerate(zip(kinds, (5, 2, 3), strict=True))
    ]
    votes[1] = said("fail", 1, improved="better", failure_kind=kinds[1], severity=2)
    votes[2] = said("fail", 2, improved="another", failure_kind=kinds[2], severity=3)
    found = three.combined(votes)
    assert found.verdict is not None
    assert (found.verdict.failure_kind, found.verdict.severity) == (FailureKind.FACTUAL, 3)
    assert found.verdict.confidence == pytest.approx((0.6 + 0.8 + 0.8) / 3)
    assert (found.verdict.improved_response, found.improved_by) == ("better", "two")
    assert found.verdict.rationale == "as 0 says"


def test_members_are_asked_over_the_wire_and_share_nothing_but_the_items(server: FakeServer) -> None:
    judge = panel(server, "one", "two")
    seen: list[str] = []
    found = judge.judge([item(1), item(2), item(1)], on_judgment=lambda j: seen.append(j.content_hash))
    assert [j.verdict.verdict for j in found if j.verdict] == ["fail", "fail", "fail"]
    assert sorted(r["model"] for r in server.requests) == ["one", "one", "two", "two"]
    assert seen == [item(1).content_hash, item(2).content_hash]
    assert found[0].spent.calls == 2
    assert found[2].spent.calls == 0


def test_the_epoch_is_a_function_of_the_members(server: FakeServer) -> None:
    judge = panel(server, "one", "two")
    assert judge.epoch.id == panel(server, "one", "two").epoch.id
    assert judge.epoch.id != panel(server, "one", "three").epoch.id
    assert judge.epoch.name == "panel:one+two"
    assert judge.epoch.manifest()["parameters"]["rule"] == "unanimous"
    with pytest.raises(ValueError, match="two judges"):
        panel(server, "one")
    with pytest.raises(ValueError, match="two judges"):
        panel(server, "one", "one")


def preferred_by(word: str | None, spent: int = 1) -> Preference:
    both = comparison().orders
    orders = {"a": ("first", "second"), "b": ("second", "first"), "tie": ("tie", "tie")}.get(
        word or "", ("first", "first")
    )
    ab, ba = (
        OrderJudgment(
            order=order,
            epoch="e",
            verdict=OrderVerdict(
                winner=choice,  # type: ignore[arg-type]
                strength=None if choice == "tie" else 3,
                confidence=0.5,
            ),
            spent=Spend(calls=spent),
        )
        for order, choice in zip(both, orders, strict=True)
    )
    if word is None:
        ba = replace(ba, verdict=None, reason=UnjudgedReason.TIMEOUT)
    return preference(comparison(), ab, ba)


OUTCOMES: Sequence[str | None] = ("a", "b", "tie", "inconsistent", None)


@pytest.mark.parametrize("votes", list(product(OUTCOMES, OUTCOMES)))
def test_a_panel_prefers_what_every_member_prefers_in_both_orders(votes: tuple[str | None, ...]) -> None:
    found = combined([preferred_by(vote) for vote in votes])
    assert found.spent.calls == 4
    assert len(found.members) == 2
    if None in votes:
        assert (found.winner, found.reason) == (None, UnjudgedReason.TIMEOUT)
    elif "inconsistent" in votes:
        assert (found.winner, found.margin) == ("inconsistent", None)
    elif len(set(votes)) > 1:
        assert (found.winner, found.margin) == ("split", None)
    else:
        assert found.winner == votes[0]
        assert found.margin == (0.0 if found.winner == "tie" else 0.5)


def test_the_comparer_names_its_epoch(server: FakeServer) -> None:
    comparer = PanelComparer([pairwise_judge(server.base_url, model=m) for m in ("one", "two")])
    found = comparer.combined([preferred_by("a"), preferred_by("a")])
    assert (found.epoch, comparer.epoch.task) == (comparer.epoch.id, "pairwise")


def test_agreement_of_the_members_is_counted_per_panel() -> None:
    table = {"c1": "fail fail", "c2": "fail pass", "c3": "pass pass", "c4": "pass pass", "c5": "fail None"}
    votes = [
        Vote("p", member, content, None if word == "None" else word)
        for content, both in table.items()
        for member, word in zip(("one", "two"), both.split(), strict=True)
    ]
    found = panel_manifest([*votes, *votes, Vote("q", "one", "c1", "fail"), Vote("q", "two", "c1", "fail")])
    assert list(found) == ["p", "q"]
    one = found["p"]
    assert {k: one[k] for k in ("items", "unanimous", "split", "incomplete")} == {
        "items": 4,
        "unanimous": 3,
        "split": 1,
        "incomplete": 1,
    }
    assert one["percent_agreement"]["value"] == 0.75
    # po = 3/4; pe = 1/2·1/4 + 1/2·3/4 = 1/2, so κ = (3/4 − 1/2) / (1 − 1/2)
    assert one["pairs"][0]["cohen_kappa"]["value"] == pytest.approx(0.5)
    assert one["krippendorff_alpha"]["low"] <= one["krippendorff_alpha"]["value"]
    assert found["q"]["krippendorff_alpha"]["value"] is None
