"""The agent on `tailrace.failures`: batches, retries and acknowledgements around the online judge."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from contracts import reasons, topics
from contracts.errors import EventInvalid, TableInvalid, TerminalError
from contracts.settings import Settings
from streams.reactions.consent import ConsentReactions
from streams.reactions.dead_letters import DeadLetterReactions
from streams.reactions.failures import decode_failure
from streams.reactions.judging import OnlineJudge
from streams.reactions.patience import patiently
from streams.reactions.portions import Portions
from streams.reactions.stats import ReactionStats
from streams.reactions.threads import in_thread

log = logging.getLogger("tailrace.reactions")

BATCH: Final = 1_000
WITHIN_S: Final = 1.0
"""A batch is read when it is full or after this long, seconds; it is judged in `Portions`."""

Item = tuple[Any, Any]
"""A Faust event and its decoded failure."""


class JudgeReactions:
    """Takes failures in small batches, has them judged, and acknowledges them only then.

    Faust's `take` acknowledges a batch even when its agent was cancelled or raised; `noack_take`
    leaves that to us. So a worker that stops or dies in a batch leaves it to the next one, which
    finds what was stored in the verdict cache.
    """

    def __init__(
        self,
        app: Any,
        settings: Settings,
        judge: OnlineJudge,
        consents: ConsentReactions,
        dead_letters: DeadLetterReactions,
        stats: ReactionStats,
        *,
        fail: Callable[[BaseException], None],
    ) -> None:
        self._app = app
        self._kafka = settings.kafka
        self._purpose = settings.curation.purpose
        self._judge = judge
        self._consents = consents
        self._dead_letters = dead_letters
        self._stats = stats
        self._fail = fail
        topic = app.topic(topics.FAILURES, key_serializer="raw", value_serializer="raw", allow_empty=True)
        app.agent(topic, name="judge", concurrency=1)(self._follow)

    async def _follow(self, stream: Any) -> None:
        portions = Portions(BATCH)
        async for events in stream.noack_take(BATCH, within=WITHIN_S):
            for portion in portions.cut(events):
                began = time.monotonic()
                if not await self._handle(portion):
                    break
                portions.took(len(portion), time.monotonic() - began)
                for event in portion:
                    await stream.ack(event)

    async def _handle(self, events: Sequence[Any]) -> bool:
        """Process a batch; False when it must be read again by the next worker."""
        items: list[Item] = []
        for event in events:
            try:
                failure = decode_failure(event.value, max_bytes=self._kafka.max_value_bytes)
            except EventInvalid as error:
                if not await self._bury(event, error.reason, error.field):
                    return False
            else:
                items.append((event, failure))
        try:
            return await self._judged(items)
        except TerminalError as error:
            if not isinstance(error, TableInvalid):
                self._fail(error)
                return False
        except Exception as error:  # noqa: BLE001 - looked at one by one below
            log.error("a batch could not be judged, trying each by itself: %s", type(error).__name__)
        for event, failure in items:
            try:
                if not await self._judged([(event, failure)]):
                    return False
            except Exception as error:  # noqa: BLE001 - one bad event must not take others with it
                log.error("a failure could not be judged: %s", type(error).__name__)
                if not await self._bury(event, reasons.POISON):
                    return False
        return True

    async def _judged(self, items: Sequence[Item]) -> bool:
        if not items:
            return True
        failures = [failure for _, failure in items]
        users = sorted({f.user_key for f in failures if f.user_key is not None})

        async def attempt() -> None:
            share = self._share()
            # Read at every attempt: a revocation must count as soon as it is known.
            fresh = self._consents.changes(users, self._purpose)
            await in_thread(lambda: self._judge.judge(failures, fresh, share=share), name="tailrace-judge")

        return await self._patiently(attempt)

    async def _bury(self, event: Any, reason: str, field: str = "") -> bool:
        return await self._patiently(lambda: self._dead_letters.send(event.message, reason, field))

    async def _patiently(self, attempt: Callable[[], Awaitable[None]]) -> bool:
        """Try until it works; False when the app stops first."""
        return await patiently(self._app, attempt, self._delayed)

    def _delayed(self, problem: str, pause: float) -> None:
        self._stats.problem = problem
        if problem:
            log.warning("trying again in %.1f s: %s", pause, problem)

    def _share(self) -> float:
        """The part of the topic's partitions that this worker owns."""
        consumer = self._app.consumer
        own = sum(1 for place in consumer.assignment() if place.topic == topics.FAILURES)
        total = consumer.topic_partitions(topics.FAILURES) or self._kafka.partitions
        return min(own / total, 1.0)
