"""Questions asked live: many in flight, every one accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from contracts.errors import JudgeRefused
from curation.judge.budget import Budget, Prices, TokenEstimate
from curation.judge.pace import FIRST, Pace
from curation.judge.questions import Instrument, OnOutcome, Outcome, Question
from curation.judge.session import RetryPolicy, Session
from curation.judge.transport import ChatClient
from curation.judge.verdicts import UnjudgedReason

T = TypeVar("T")

# After so many questions in a row (or as many as are in flight) failed for good on an endpoint that was
# unwell or turned them down, the others are spared: waiting out every backoff would take hours.
_GIVE_UP_AFTER: Final = 16
_ENDPOINT_TROUBLE: Final = frozenset(
    {
        UnjudgedReason.RATE_LIMITED,
        UnjudgedReason.TIMEOUT,
        UnjudgedReason.UNAVAILABLE,
        UnjudgedReason.EMPTY_ANSWER,
        UnjudgedReason.REJECTED,
    }
)


class LiveAsker:
    """Asks through chat completions, as many at a time as the endpoint bears.

    One instance is one run: its budget covers all calls of `ask`, so a caller may ask in chunks and store
    answers in between.
    """

    at_once: int | None = None

    def __init__(
        self,
        instrument: Instrument,
        *,
        budget: Budget,
        prices: Prices,
        retries: RetryPolicy,
        concurrency: int,
    ) -> None:
        self.instrument = instrument
        self.budget = budget
        self._prices = prices
        self._retries = retries
        self._concurrency = concurrency
        self._estimate = TokenEstimate()
        self._bearable = FIRST

    def ask(
        self, questions: Sequence[Question[T]], *, on_outcome: OnOutcome[T] | None = None
    ) -> list[Outcome[T]]:
        """One outcome per question in the same order, see `Asker`."""
        return self.mend(questions, {}, on_outcome=on_outcome)

    def mend(
        self,
        questions: Sequence[Question[T]],
        replies: Mapping[str, str],
        *,
        on_outcome: OnOutcome[T] | None = None,
    ) -> list[Outcome[T]]:
        """As `ask`, with first replies (by key) that are there and paid already: only repairs are made."""
        if not questions:
            return []
        return asyncio.run(self._ask(questions, replies, on_outcome))

    async def _ask(
        self, questions: Sequence[Question[T]], replies: Mapping[str, str], on_outcome: OnOutcome[T] | None
    ) -> list[Outcome[T]]:
        pace = Pace(self._concurrency, first=self._bearable)
        async with ChatClient(self.instrument) as client:
            session = Session(
                client,
                self._retries,
                pace=pace,
                budget=self.budget,
                prices=self._prices,
                estimate=self._estimate,
                max_tokens=self.instrument.parameters.max_tokens,
            )
            run = _Run(session, max(_GIVE_UP_AFTER, self._concurrency), on_outcome, replies)
            queue = iter(questions)
            workers = min(self._concurrency, len(questions))
            await _all_or_cancel([asyncio.create_task(run.work(queue)) for _ in range(workers)])
        self._bearable = pace.limit
        if run.refused is not None and all(o.answer is None for o in run.done.values()):
            raise run.refused
        return [run.done[question.key] for question in questions]


class _Run(Generic[T]):
    """What the workers of one `ask` share: outcomes, and whether to go on."""

    def __init__(
        self, session: Session, patience: int, on_outcome: OnOutcome[T] | None, replies: Mapping[str, str]
    ) -> None:
        self._replies = replies
        self._session = session
        self._patience = patience
        self._on_outcome = on_outcome
        self._failures_in_a_row = 0
        self.refused: JudgeRefused | None = None
        self.done: dict[str, Outcome[T]] = {}

    async def work(self, queue: Iterator[Question[T]]) -> None:
        """Take questions off the shared queue until it is empty."""
        for question in queue:
            outcome = self._spared(question) or await self._asked(question)
            self.done[question.key] = outcome
            if self._on_outcome is not None:
                self._on_outcome(outcome)

    async def _asked(self, question: Question[T]) -> Outcome[T]:
        outcome, refused = await self._session.ask(question, given=self._replies.get(question.key))
        if refused is not None:
            self.refused = refused
        elif outcome.reason in _ENDPOINT_TROUBLE:
            self._failures_in_a_row += 1
        elif outcome.reason is not UnjudgedReason.BUDGET:
            self._failures_in_a_row = 0
        return outcome

    def _spared(self, question: Question[T]) -> Outcome[T] | None:
        if self.refused is not None:
            reason, detail = UnjudgedReason.ENDPOINT_REFUSED, str(self.refused)
        elif self._failures_in_a_row >= self._patience:
            reason = UnjudgedReason.ENDPOINT_DOWN
            detail = f"not tried after {self._failures_in_a_row} failures in a row"
        else:
            return None
        return Outcome(key=question.key, reason=reason, detail=detail)


async def _all_or_cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Wait for all; when one fails (a callback may), stop the others before it is raised."""
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
