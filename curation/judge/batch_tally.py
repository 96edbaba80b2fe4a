"""Questions of one call, what each may cost and has cost, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from contracts.errors import JudgeRefused
from curation.judge.answers import AnswerInvalid
from curation.judge.batch_files import request_id
from curation.judge.budget import Budget, Ledger, Prices, TokenEstimate
from curation.judge.questions import ChatParameters, OnOutcome, Outcome, Question
from curation.judge.transport import CallFailed, ItemFailed, Reply, content_of
from curation.judge.verdicts import UnjudgedReason

T = TypeVar("T")


class Tally(Generic[T]):
    """Questions by custom id, their ledgers and their outcomes; every outcome is told once."""

    def __init__(
        self,
        questions: Sequence[Question[T]],
        parameters: ChatParameters,
        *,
        budget: Budget,
        prices: Prices,
        estimate: TokenEstimate,
        on_outcome: OnOutcome[T] | None,
    ) -> None:
        self.questions = {request_id(q, parameters): q for q in questions}
        self.refused: JudgeRefused | None = None
        self._max_tokens = parameters.max_tokens
        self._ledgers = {name: Ledger(budget, prices) for name in self.questions}
        self._estimate = estimate
        self._on_outcome = on_outcome
        self._outcomes: dict[str, Outcome[T]] = {}

    def outcomes_of(self, questions: Sequence[Question[T]]) -> list[Outcome[T]]:
        """Outcomes in the order of the questions; raises `JudgeRefused` when that is all there is."""
        if self.refused is not None and all(o.answer is None for o in self._outcomes.values()):
            raise self.refused
        return [self._outcomes[question.key] for question in questions]

    def has_outcome(self, name: str) -> bool:
        """Whether it is known what became of a question."""
        return self.questions[name].key in self._outcomes

    def has_answer(self, name: str) -> bool:
        """Whether a question was answered."""
        outcome = self._outcomes.get(self.questions[name].key)
        return outcome is not None and outcome.answer is not None

    def reserve(self, name: str) -> bool:
        """Reserve the estimate of a question, if the budget allows it."""
        return self._ledgers[name].reserve(*self._size(name))

    def admit(self, name: str) -> bool:
        """Reserve the estimate of a question, or tell that there is no budget for it."""
        if self.reserve(name):
            return True
        limit = self._ledgers[name].lacks(*self._size(name))
        self.fail([name], UnjudgedReason.BUDGET, f"the budget leaves no {limit} for it")
        return False

    def read(self, name: str, reply: Reply) -> str | None:
        """Book a reply and tell the answer, or why there is none; a reply that does not fit is returned."""
        question, ledger = self.questions[name], self._ledgers[name]
        ledger.settle(reply.input_tokens, reply.output_tokens)
        self._estimate.learn(question.size_bytes, reply.input_tokens)
        try:
            content = content_of(reply)
        except (ItemFailed, CallFailed) as failed:
            self.fail([name], failed.reason, str(failed))
            return None
        try:
            answer = question.form.parse(content)
        except AnswerInvalid:
            return content
        self.tell(Outcome(key=question.key, answer=answer, spent=ledger.spent, replies=(content,)))
        return None

    def tell_mended(self, outcome: Outcome[T], names: Mapping[str, str]) -> None:
        """Tell what became of a reply that was repaired; `names`: custom ids by key."""
        self.tell(replace(outcome, spent=self._ledgers[names[outcome.key]].spent + outcome.spent))

    def tell(self, outcome: Outcome[T]) -> None:
        """This is what became of a question."""
        self._outcomes[outcome.key] = outcome
        if self._on_outcome is not None:
            self._on_outcome(outcome)

    def refuse(self, refused: JudgeRefused, names: Iterable[str]) -> None:
        """The endpoint will have nothing from us; these were to be asked."""
        self.refused = refused
        self.fail(names, UnjudgedReason.ENDPOINT_REFUSED, str(refused))

    def fail(self, names: Iterable[str], reason: UnjudgedReason, detail: str) -> None:
        """There is no answer to these, and there will be none: their reservations are given back."""
        for name in names:
            ledger = self._ledgers[name]
            ledger.close()
            key = self.questions[name].key
            self.tell(Outcome(key=key, reason=reason, detail=detail, spent=ledger.spent))

    def leave(self, names: Iterable[str], reason: UnjudgedReason, detail: str) -> None:
        """There is no answer to these yet. Their reservations stay: they will be paid."""
        for name in names:
            self.tell(Outcome(key=self.questions[name].key, reason=reason, detail=detail))

    def _size(self, name: str) -> tuple[int, int]:
        return self._estimate(self.questions[name].size_bytes), self._max_tokens
