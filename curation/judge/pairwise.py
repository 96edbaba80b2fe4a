"""The pairwise judge: which of two responses is better, asked in both orders.

Only a verdict that names the same response in both orders counts; one that moves with the order is the
judge's position bias speaking. Source: L. Zheng et al., Judging LLM-as-a-Judge (2023), section 3.4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, Protocol

import msgspec

from contracts.events import Message
from curation.judge.epoch import JudgeEpoch
from curation.judge.fencing import rendered
from curation.judge.pairwise_form import MOST_STRENGTH, OrderAnswer, PreferenceForm
from curation.judge.pairwise_prompt import build_messages, prompt_hash
from curation.judge.pairwise_rows import outcome
from curation.judge.questions import Asker, Outcome, Question
from curation.judge.rubrics import Rubric
from curation.judge.verdicts import Spend, UnjudgedReason

# Part of every content hash: raise it when the canonical form changes.
_CONTENT_FORM: Final = 1


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of two responses. ``author`` and ``model`` say who wrote it and are never shown to a judge.

    author: a request id, `user:<request id>` for an edit, `judge:<request id>` for a rewrite. model: None for
    people.
    """

    messages: Sequence[Message]
    author: str
    model: str | None = None

    @cached_property
    def shown(self) -> list[Message]:
        """What the judge sees: names and reasoning tell models apart, and the user saw neither."""
        return [
            Message(role=m.role, parts=[p for p in m.parts or () if p.get("type") != "reasoning"])
            for m in self.messages
        ]

    @cached_property
    def chars(self) -> int:
        """Length of what is shown, characters."""
        return sum(len(rendered(message)) for message in self.shown)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A comparison in one of its two orders."""

    request_id: str
    prompt: Sequence[Message]
    first: Candidate
    second: Candidate
    tools: Any = None

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (64 hex) of everything that decides the verdict, the order too, but not who wrote what."""
        content = [_CONTENT_FORM, list(self.prompt), self.first.shown, self.second.shown, self.tools]
        return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two different responses, a and b, to the same conversation. Equal ones raise `ValueError`.

    ``request_id`` names the request they answer; ``tools`` is the decoded JSON of the tool definitions.
    """

    request_id: str
    prompt: Sequence[Message]
    a: Candidate
    b: Candidate
    tools: Any = None

    def __post_init__(self) -> None:
        if self.a.shown == self.b.shown:
            raise ValueError("a response cannot be compared with itself")

    @cached_property
    def orders(self) -> tuple[Order, Order]:
        """a shown first, then b shown first."""
        return self._order(self.a, self.b), self._order(self.b, self.a)

    @cached_property
    def pair_hash(self) -> str:
        """SHA-256 (64 hex) that both orders share, whichever response is called a."""
        both = sorted(order.content_hash for order in self.orders)
        return hashlib.sha256("".join(both).encode()).hexdigest()

    def _order(self, first: Candidate, second: Candidate) -> Order:
        return Order(
            request_id=self.request_id, prompt=self.prompt, first=first, second=second, tools=self.tools
        )


class OrderVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A judge's word on one order, and what it cost when it was given (`Verdict` has the units)."""

    winner: Literal["first", "second", "tie"]
    strength: int | None
    confidence: float
    rationale: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class OrderJudgment:
    """What became of one order: a verdict, or the reason why there is none (`Judgment` has the meaning)."""

    order: Order
    epoch: str
    verdict: OrderVerdict | None = None
    reason: UnjudgedReason | None = None
    detail: str = ""
    spent: Spend = field(default_factory=Spend)

    def __post_init__(self) -> None:
        if (self.verdict is None) == (self.reason is None):
            raise ValueError("a judgment has either a verdict or a reason")


@dataclass(frozen=True, kw_only=True)
class Preference:
    """What both orders come to.

    winner: `a`, `b` or `tie` when both orders say the same, `inconsistent` when they do not, None when an
    order has no verdict: then ``reason`` says why. margin: how much better the winner is, see `margin_of`;
    0 for a tie, None without a winner. verdicts: those of both orders, as far as there are any. For a panel:
    `split` when its members differ, and their preferences as ``members``.
    """

    comparison: Comparison
    epoch: str
    winner: Literal["a", "b", "tie", "inconsistent", "split"] | None
    margin: float | None = None
    reason: UnjudgedReason | None = None
    detail: str = ""
    verdicts: tuple[OrderVerdict | None, ...] = ()
    members: tuple[Preference, ...] = ()
    spent: Spend = field(default_factory=Spend)


OnOrder = Callable[[OrderJudgment], None]


class Comparer(Protocol):
    """Who judges single orders. Its verdicts belong to its epoch."""

    @property
    def epoch(self) -> JudgeEpoch:
        """Everything that decides its verdicts."""

    @property
    def at_once(self) -> int | None:
        """Most orders to hand over in one call; verdicts should be stored in between."""

    def judge_orders(
        self, orders: Sequence[Order], *, on_judgment: OnOrder | None = None
    ) -> list[OrderJudgment]:
        """One judgment per order, in the same order; see `PairwiseJudge.judge_orders`."""


class PairwiseJudge:
    """Compares through chat completions with structured output."""

    def __init__(self, asker: Asker, rubric: Rubric) -> None:
        self.asker = asker
        self._rubric = rubric
        self._form = PreferenceForm()
        self.epoch = asker.instrument.epoch(
            rubric, prompt_hash=prompt_hash(), form=self._form, task="pairwise"
        )

    def __repr__(self) -> str:
        return f"PairwiseJudge({self.epoch.name!r}, epoch={self.epoch.id!r})"

    @property
    def at_once(self) -> int | None:
        """Most orders to hand over in one call of `judge_orders`."""
        return self.asker.at_once

    def question(self, order: Order) -> Question[OrderAnswer]:
        """What is asked about one order."""
        messages = build_messages(
            order.prompt,
            order.first.shown,
            order.second.shown,
            self._rubric,
            key=order.content_hash,
            tools=order.tools,
        )
        return Question(key=order.content_hash, messages=messages, form=self._form)

    def judge_orders(
        self, orders: Sequence[Order], *, on_judgment: OnOrder | None = None
    ) -> list[OrderJudgment]:
        """One judgment per order, in the same order; `on_judgment` gets each as soon as it is made.

        Orders must differ in their content. None is left out: one without a verdict says why. Raises
        `JudgeRefused` when the endpoint rejects key or model before any was judged.
        """
        by_key = {order.content_hash: order for order in orders}

        def tell(done: Outcome[OrderAnswer]) -> None:
            if on_judgment is not None:
                on_judgment(self._judgment(by_key[done.key], done))

        outcomes = self.asker.ask([self.question(order) for order in orders], on_outcome=tell)
        return [self._judgment(by_key[done.key], done) for done in outcomes]

    def compare(self, comparisons: Sequence[Comparison]) -> list[Preference]:
        """Both orders of every comparison, without any cache (`curation.judging_pairs` has one)."""
        distinct = {o.content_hash: o for comparison in comparisons for o in comparison.orders}
        done = {j.order.content_hash: j for j in self.judge_orders(list(distinct.values()))}
        return preferences(comparisons, done)

    def _judgment(self, order: Order, done: Outcome[OrderAnswer]) -> OrderJudgment:
        answer = done.answer
        return OrderJudgment(
            order=order,
            epoch=self.epoch.id,
            verdict=None
            if answer is None
            else OrderVerdict(
                winner=answer.winner,
                strength=answer.strength,
                confidence=answer.confidence,
                rationale=answer.rationale,
                input_tokens=done.spent.input_tokens,
                output_tokens=done.spent.output_tokens,
                cost_usd=done.spent.cost_usd,
            ),
            reason=done.reason,
            detail=done.detail,
            spent=done.spent,
        )


def preferences(comparisons: Sequence[Comparison], done: dict[str, OrderJudgment]) -> list[Preference]:
    """One preference per comparison from the judgments of all orders, by their content hash.

    What was spent on an order is booked once, on the first comparison that has it.
    """
    booked: set[str] = set()
    found = []
    for comparison in comparisons:
        both = []
        for order in comparison.orders:
            judgment = done[order.content_hash]
            both.append(replace(judgment, spent=Spend()) if order.content_hash in booked else judgment)
            booked.add(order.content_hash)
        found.append(preference(comparison, both[0], both[1]))
    return found


def preference(comparison: Comparison, ab: OrderJudgment, ba: OrderJudgment) -> Preference:
    """What the judgments of both orders (a first, b first) come to."""
    found = Preference(
        comparison=comparison,
        epoch=ab.epoch,
        winner=None,
        verdicts=(ab.verdict, ba.verdict),
        spent=ab.spent + ba.spent,
    )
    if ab.verdict is None or ba.verdict is None:
        missing = ab if ab.verdict is None else ba
        return replace(found, reason=missing.reason, detail=missing.detail)
    winner = outcome(ab.verdict.winner, ba.verdict.winner)
    assert winner != "error"
    return replace(found, winner=winner, margin=margin_of(winner, [ab.verdict, ba.verdict]))


def margin_of(winner: str, verdicts: Sequence[OrderVerdict]) -> float | None:
    """How much better the winner is, 0 to 1: the mean over the verdicts of strength / 3 × confidence.

    1 is much better and quite sure in every order; slightly better at even odds is 1/6. 0 for a tie; None
    when there is no winner.
    """
    if winner == "tie":
        return 0.0
    if winner not in ("a", "b"):
        return None
    weights = [(v.strength or 0) / MOST_STRENGTH * v.confidence for v in verdicts]
    return round(sum(weights) / len(weights), 6)
