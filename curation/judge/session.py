"""One question to the endpoint until it is answered: budget, pace, retries, shared pauses, one repair."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from contracts.errors import JudgeRefused
from curation.judge.answers import AnswerInvalid
from curation.judge.budget import Budget, Ledger, Prices, TokenEstimate
from curation.judge.pace import Pace
from curation.judge.prompt import repair_messages
from curation.judge.questions import Outcome, Question
from curation.judge.transport import CallFailed, ChatClient, ItemFailed, Reply, content_of
from curation.judge.verdicts import UnjudgedReason

T = TypeVar("T")

_JITTER_SHARE: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How stubbornly to try: retries per question, and the exponential backoff in seconds."""

    max_retries: int
    backoff_seconds: float = 0.5
    max_backoff_seconds: float = 30.0


class Session:
    """Asks questions over one client. All questions in flight share the server's "slow down"."""

    def __init__(
        self,
        client: ChatClient,
        policy: RetryPolicy,
        *,
        pace: Pace,
        budget: Budget,
        prices: Prices,
        estimate: TokenEstimate,
        max_tokens: int,
    ) -> None:
        self._client = client
        self._policy = policy
        self._pace = pace
        self._budget = budget
        self._prices = prices
        self._estimate = estimate
        self._max_tokens = max_tokens
        self._backoff = wait_random_exponential(
            multiplier=policy.backoff_seconds, max=policy.max_backoff_seconds
        )
        self._resume_at = 0.0
        self._settled = asyncio.Condition()

    async def ask(
        self, question: Question[T], *, given: str | None = None
    ) -> tuple[Outcome[T], JudgeRefused | None]:
        """The outcome of one question, its answer repaired once when the first does not fit the form.

        ``given`` is a first reply that is there and paid already. Every answer is booked, used or not. When
        the endpoint rejects us altogether, that comes back beside an outcome without an answer.
        """
        ledger = Ledger(self._budget, self._prices)
        replies: list[str] = []
        refusal: JudgeRefused | None = None
        answer, reason, detail = None, None, ""
        try:
            answer = await self._answer(question, ledger, replies, given)
        except (ItemFailed, CallFailed) as failed:
            reason, detail = failed.reason, str(failed)
        except JudgeRefused as refused:
            refusal, reason, detail = refused, UnjudgedReason.ENDPOINT_REFUSED, str(refused)
        finally:
            ledger.close()
            await asyncio.shield(self._tell())
        outcome = Outcome(
            key=question.key,
            answer=answer,
            reason=reason,
            detail=detail,
            spent=ledger.spent,
            replies=tuple(replies),
        )
        return outcome, refusal

    async def _answer(
        self, question: Question[T], ledger: Ledger, replies: list[str], given: str | None
    ) -> T:
        form = question.form
        content = await self._content(question, ledger) if given is None else given
        replies.append(content)
        try:
            return form.parse(content)
        except AnswerInvalid as invalid:
            again = repair_messages(question.messages, content, str(invalid), form.schema)
        content = await self._content(Question(key=question.key, messages=again, form=form), ledger)
        replies.append(content)
        try:
            return form.parse(content)
        except AnswerInvalid:
            pass
        raise ItemFailed(UnjudgedReason.INVALID_ANSWER, "the repaired answer does not fit the schema either")

    async def _content(self, question: Question[T], ledger: Ledger) -> str:
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda e: isinstance(e, CallFailed) and e.worth_retrying),
            stop=stop_after_attempt(self._policy.max_retries + 1),
            wait=self._wait,
            reraise=True,
        )
        return await retrying(self._once, question, ledger)

    async def _once(self, question: Question[T], ledger: Ledger) -> str:
        size = question.size_bytes
        await self._admitted(ledger, self._estimate(size))
        try:
            reply = await self._call(question, ledger)
        except CallFailed as failed:
            if failed.billed:
                ledger.settle()
                await self._tell()
            if failed.retry_after is not None and failed.worth_retrying:
                resume_at = asyncio.get_running_loop().time() + failed.retry_after
                self._resume_at = max(self._resume_at, resume_at)
            raise
        self._estimate.learn(size, reply.input_tokens)
        ledger.settle(reply.input_tokens, reply.output_tokens)
        await self._tell()
        return content_of(reply)

    async def _call(self, question: Question[T], ledger: Ledger) -> Reply:
        async with self._pace.slot() as slot:
            # In its place, not before: whoever waited for one must hear what others were told meanwhile.
            await self._pause()
            slot.begin()
            try:
                return await self._client.ask(question.messages, question.form)
            except CallFailed as failed:
                # Errors and broken connections say nothing of the load: one call in five may fail all day.
                slot.overloaded = failed.overload
                raise
            except (ItemFailed, JudgeRefused):
                raise
            except BaseException:
                # Cancelled in flight, or broken where nothing should: it may be billed all the same.
                ledger.settle()
                raise

    async def _admitted(self, ledger: Ledger, input_tokens: int) -> None:
        """Wait until the budget allows a call; raises `ItemFailed` when it never will.

        Estimates are high, so calls in flight may give back more than they took.
        """
        async with self._settled:
            while not ledger.reserve(input_tokens, self._max_tokens):
                if not self._budget.reserved.calls:
                    limit = ledger.lacks(input_tokens, self._max_tokens)
                    raise ItemFailed(UnjudgedReason.BUDGET, f"the budget leaves no {limit} for it")
                await self._settled.wait()

    async def _tell(self) -> None:
        async with self._settled:
            self._settled.notify_all()

    async def _pause(self) -> None:
        now = asyncio.get_running_loop().time
        while (left := self._resume_at - now()) > 0:
            # Spread out, or everybody who waited comes back in the same instant.
            await asyncio.sleep(left * (1 + random.random() * _JITTER_SHARE))

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, CallFailed) and error.retry_after is not None:
            return 0.0  # `_pause` waits, together with everybody else
        return self._backoff(state)
