"""The LLM judge: any OpenAI-compatible endpoint, many calls in flight, every item accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from contracts.errors import JudgeRefused
from curation.judge.answers import Answer, VerdictForm
from curation.judge.budget import Budget, Ledger, Prices
from curation.judge.endpoint import Endpoint
from curation.judge.epoch import JudgeEpoch, stable_hash
from curation.judge.prompt import build_messages, prompt_hash
from curation.judge.rubrics import Rubric
from curation.judge.session import RetryPolicy, Session
from curation.judge.transport import CallFailed, ChatClient, ChatParameters, ItemFailed
from curation.judge.verdicts import JudgeItem, Judgment, Spend, UnjudgedReason, Verdict

# After so many items in a row (or as many as are in flight) failed for good on an endpoint that was
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


class OpenAIJudge:
    """Judges through chat completions with structured output.

    One instance is one run: its budget covers all calls of `judge`, so a caller may judge in chunks
    and store verdicts in between. Items with the same content are judged once.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        parameters: ChatParameters,
        rubric: Rubric,
        budget: Budget,
        retries: RetryPolicy,
        concurrency: int,
        prices: Prices | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._parameters = parameters
        self._rubric = rubric
        self._form = VerdictForm.for_taxonomy(rubric.taxonomy)
        self._retries = retries
        self._concurrency = concurrency
        self._prices = prices or Prices()
        self.budget = budget
        self.epoch = JudgeEpoch(
            kind="openai",
            provider=endpoint.provider,
            base_url=endpoint.base_url,
            model=parameters.model,
            rubric=f"{rubric.name}@{rubric.version}",
            rubric_hash=rubric.hash,
            prompt_hash=prompt_hash(),
            schema_hash=stable_hash(self._form.schema),
            parameters={"temperature": parameters.temperature, "max_tokens": parameters.max_tokens},
        )

    def __repr__(self) -> str:
        return f"OpenAIJudge({self.epoch.name!r}, epoch={self.epoch.id!r})"

    def judge(
        self, items: Sequence[JudgeItem], *, on_progress: Callable[[int], None] | None = None
    ) -> list[Judgment]:
        """One judgment per item in the same order; `judge_async` for callers without an event loop.

        Raises `JudgeRefused` as `judge_async` does, `RuntimeError` inside a running event loop.
        """
        return asyncio.run(self.judge_async(items, on_progress=on_progress))

    async def judge_async(
        self, items: Sequence[JudgeItem], *, on_progress: Callable[[int], None] | None = None
    ) -> list[Judgment]:
        """One judgment per item in the same order; ``on_progress`` gets the number of items done.

        Items that fail for good, or for which no budget is left, come back unjudged with the reason.
        Raises `JudgeRefused` when the endpoint rejects key or model before any item was judged;
        later on the verdicts paid for are returned and the rest is unjudged (`endpoint_refused`).
        """
        if not items:
            return []
        distinct = {item.content_hash: item for item in items}
        copies = dict.fromkeys(distinct, 0)
        for item in items:
            copies[item.content_hash] += 1
        async with ChatClient(self._endpoint, self._parameters) as client:
            run = _Run(self, Session(client, self._retries), copies, on_progress)
            queue = iter(distinct.values())
            workers = min(self._concurrency, len(distinct))
            await _all_or_cancel([asyncio.create_task(run.work(queue)) for _ in range(workers)])
        if run.refused is not None and not any(j.verdict for j in run.done.values()):
            raise run.refused
        return _in_order(items, run.done)

    def open_ledger(self) -> Ledger:
        """An empty ledger for one item, drawing on the budget of this run."""
        return Ledger(self.budget, self._prices)

    async def judge_one(self, item: JudgeItem, session: Session, ledger: Ledger) -> Judgment:
        """Judge one item over an open session. Raises `JudgeRefused`; other failures leave it unjudged."""
        try:
            answer = await session.ask(build_messages(item, self._rubric), self._form, ledger)
        except (ItemFailed, CallFailed) as failed:
            return self.unjudged(item, failed.reason, str(failed), ledger.spent)
        return Judgment(
            request_id=item.request_id,
            content_hash=item.content_hash,
            epoch=self.epoch.id,
            verdict=_verdict(answer, ledger.spent),
            spent=ledger.spent,
        )

    def unjudged(
        self, item: JudgeItem, reason: UnjudgedReason, detail: str, spent: Spend | None = None
    ) -> Judgment:
        """The judgment of an item that has no verdict."""
        return Judgment(
            request_id=item.request_id,
            content_hash=item.content_hash,
            epoch=self.epoch.id,
            reason=reason,
            detail=detail,
            spent=spent or Spend(),
        )

    @property
    def patience(self) -> int:
        """How many items in a row may fail on the endpoint before the rest is spared."""
        return max(_GIVE_UP_AFTER, self._concurrency)


class _Run:
    """What the workers of one `judge_async` share: results, progress, and whether to go on."""

    def __init__(
        self,
        judge: OpenAIJudge,
        session: Session,
        copies: dict[str, int],
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self._judge = judge
        self._session = session
        self._copies = copies
        self._on_progress = on_progress
        self._finished = 0
        self._failures_in_a_row = 0
        self.refused: JudgeRefused | None = None
        self.done: dict[str, Judgment] = {}

    async def work(self, queue: Iterator[JudgeItem]) -> None:
        """Take items off the shared queue until it is empty."""
        for item in queue:
            judgment = self._spared(item) or await self._judged(item)
            self.done[item.content_hash] = judgment
            self._finished += self._copies[item.content_hash]
            if self._on_progress is not None:
                self._on_progress(self._finished)

    async def _judged(self, item: JudgeItem) -> Judgment:
        ledger = self._judge.open_ledger()
        try:
            judgment = await self._judge.judge_one(item, self._session, ledger)
        except JudgeRefused as refused:
            self.refused = refused
            reason = UnjudgedReason.ENDPOINT_REFUSED
            return self._judge.unjudged(item, reason, str(refused), ledger.spent)
        if judgment.reason in _ENDPOINT_TROUBLE:
            self._failures_in_a_row += 1
        elif judgment.reason is not UnjudgedReason.BUDGET:
            self._failures_in_a_row = 0
        return judgment

    def _spared(self, item: JudgeItem) -> Judgment | None:
        if self.refused is not None:
            return self._judge.unjudged(item, UnjudgedReason.ENDPOINT_REFUSED, str(self.refused))
        if self._failures_in_a_row >= self._judge.patience:
            detail = f"not tried after {self._failures_in_a_row} failures in a row"
            return self._judge.unjudged(item, UnjudgedReason.ENDPOINT_DOWN, detail)
        return None


async def _all_or_cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all; when one fails (a progress callback may), stop the others before it is raised."""
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _verdict(answer: Answer, spent: Spend) -> Verdict:
    return Verdict(
        verdict=answer.verdict,
        confidence=answer.confidence,
        failure_kind=answer.failure_kind,
        severity=answer.severity,
        rationale=answer.rationale,
        improved_response=answer.improved_response or None,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost_usd=spent.cost_usd,
    )


def _in_order(items: Sequence[JudgeItem], done: dict[str, Judgment]) -> list[Judgment]:
    """One judgment per item; what was spent is booked on the first of several equal items."""
    seen: set[str] = set()
    judgments = []
    for item in items:
        judgment = replace(done[item.content_hash], request_id=item.request_id)
        if item.content_hash in seen:
            judgment = replace(judgment, spent=Spend())
        seen.add(item.content_hash)
        judgments.append(judgment)
    return judgments
