"""One question to the endpoint until it is answered: retries, shared pauses, one repair."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from curation.judge.answers import AnswerInvalid
from curation.judge.budget import Ledger
from curation.judge.prompt import ChatMessages, repair_messages
from curation.judge.transport import CallFailed, ChatClient, Form, ItemFailed, Reply
from curation.judge.verdicts import UnjudgedReason

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

_JITTER_SHARE: Final = 0.25


class ParsedForm(Form, Protocol[T_co]):
    """A form that also reads replies."""

    def parse(self, content: str) -> T_co:
        """Read one reply; raises `AnswerInvalid`."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How stubbornly to try: retries per question, and the exponential backoff in seconds."""

    max_retries: int
    backoff_seconds: float = 0.5
    max_backoff_seconds: float = 30.0


class Session:
    """Asks questions over one client. All questions in flight share the server's "slow down"."""

    def __init__(self, client: ChatClient, policy: RetryPolicy) -> None:
        self._client = client
        self._policy = policy
        self._backoff = wait_random_exponential(
            multiplier=policy.backoff_seconds, max=policy.max_backoff_seconds
        )
        self._resume_at = 0.0

    async def ask(self, messages: ChatMessages, form: ParsedForm[T], ledger: Ledger) -> T:
        """The parsed answer, repaired once when the first does not fit the form.

        Every answer is booked in ``ledger``, used or not. Raises `CallFailed` after the last retry,
        `ItemFailed` when this question cannot be answered (budget included), `JudgeRefused` when the
        endpoint rejects us altogether.
        """
        content = await self._content(messages, form, ledger)
        try:
            return form.parse(content)
        except AnswerInvalid as invalid:
            again = repair_messages(messages, content, str(invalid), form.schema)
        content = await self._content(again, form, ledger)
        try:
            return form.parse(content)
        except AnswerInvalid:
            pass
        raise ItemFailed(UnjudgedReason.INVALID_ANSWER, "the repaired answer does not fit the schema either")

    async def _content(self, messages: ChatMessages, form: Form, ledger: Ledger) -> str:
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda e: isinstance(e, CallFailed) and e.worth_retrying),
            stop=stop_after_attempt(self._policy.max_retries + 1),
            wait=self._wait,
            reraise=True,
        )
        return await retrying(self._once, messages, form, ledger)

    async def _once(self, messages: ChatMessages, form: Form, ledger: Ledger) -> str:
        await self._pause()
        if not ledger.reserve():
            raise ItemFailed(UnjudgedReason.BUDGET, "no calls left in the budget")
        try:
            reply = await self._client.ask(messages, form)
        except CallFailed as failed:
            if failed.billed:
                ledger.settle()
            if failed.retry_after is not None and failed.worth_retrying:
                resume_at = asyncio.get_running_loop().time() + failed.retry_after
                self._resume_at = max(self._resume_at, resume_at)
            raise
        ledger.settle(reply.input_tokens, reply.output_tokens)
        return _content_of(reply)

    async def _pause(self) -> None:
        now = asyncio.get_running_loop().time
        while (left := self._resume_at - now()) > 0:
            # Spread out, or everybody who waited comes back in the same instant.
            await asyncio.sleep(left * (1 + random.random() * _JITTER_SHARE))

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, CallFailed) and error.retry_after is not None:
            return error.retry_after
        return self._backoff(state)


def _content_of(reply: Reply) -> str:
    """The text of a reply; a reply without text is an error of the kind that fits."""
    if reply.refused:
        raise ItemFailed(UnjudgedReason.REFUSAL, "the model declined to judge")
    if reply.finish_reason == "content_filter":
        raise ItemFailed(UnjudgedReason.CONTENT_FILTER, "the provider's filter stopped the answer")
    if not reply.content.strip():
        # Proxies under load answer like this; the next try usually succeeds.
        raise CallFailed(UnjudgedReason.EMPTY_ANSWER, "the answer has no content", billed=True)
    return reply.content
