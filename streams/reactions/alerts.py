"""The agent on `tailrace.alerts`: counts every alert once, and has a webhook told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from contracts import reasons, topics
from contracts.alerts import Alert, decode_alert
from contracts.errors import EventInvalid
from contracts.settings import Settings
from streams.reactions import alert_messages
from streams.reactions.alert_stats import AlertStats
from streams.reactions.dead_letters import DeadLetterReactions
from streams.reactions.grouping import Grouping, RecentIds
from streams.reactions.patience import patiently
from streams.reactions.webhook import Result, Webhook

log = logging.getLogger("tailrace.alerts")

MOST_SEEN: Final = 200_000
MOST_WAITING: Final = 10_000
"""Alerts held while the webhook is unreachable; beyond, the oldest are given up and counted."""


@dataclass(slots=True)
class Waiting:
    """An alert on its way, with the Kafka events it came in (repeats included)."""

    alert: Alert
    events: list[Any] = field(default_factory=list)


class AlertReactions:
    """Takes alerts in, and delivers them beside the agent, so that a slow webhook holds nothing up.

    An alert is acknowledged to Kafka when it was delivered or refused: a worker that dies leaves the
    others to the next one. What cannot be delivered comes again in the next sum.
    """

    def __init__(
        self,
        app: Any,
        settings: Settings,
        dead_letters: DeadLetterReactions,
        stats: AlertStats,
        *,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        """Raises `SettingsError` when the webhook is no URL."""
        options = settings.alerts
        self._app = app
        self._max_bytes = settings.kafka.max_value_bytes
        self._max_age_s = options.max_age_hours * 3600
        self._dead_letters = dead_letters
        self._stats = stats
        self._clock_s = clock_s
        self._seen = RecentIds(MOST_SEEN)
        self._waiting: dict[str, Waiting] = {}
        self._singles: deque[Waiting] = deque()
        self._grouping: Grouping[Waiting] = Grouping(options.per_minute)
        self._wake = asyncio.Event()
        self._webhook: Webhook | None = None
        topic = app.topic(topics.ALERTS, key_serializer="raw", value_serializer="raw", allow_empty=True)
        app.agent(topic, name="alerts", concurrency=1)(self._follow)
        if options.webhook is not None:
            self._webhook = Webhook(
                options.webhook, timeout_s=options.timeout_seconds, max_retries=options.max_retries
            )
            app.task(self._deliver)

    async def _follow(self, stream: Any) -> None:
        # Acknowledged by us: some of them long after the next ones were read.
        async for event in stream.noack().events():
            try:
                alert = decode_alert(event.value, max_bytes=self._max_bytes)
                done = self._take(alert, event)
            except EventInvalid as error:
                done = await self._bury(event, error.reason, error.field)
            except Exception as error:  # noqa: BLE001 - one alert must not end the agent
                log.error("an alert could not be taken in: %s", type(error).__name__)
                done = await self._bury(event, reasons.POISON)
            if done:
                event.ack()

    def _take(self, alert: Alert, event: Any) -> bool:
        """Count an alert and send it on its way; whether that is all there is to do."""
        if (known := self._waiting.get(alert.alert_id)) is not None:
            known.events.append(event)
            self._stats.repeated += 1
            return False
        if alert.alert_id in self._seen:
            self._stats.repeated += 1
            return True
        age_s = self._clock_s() - datetime.fromisoformat(alert.occurred_at).timestamp()
        self._seen.add(alert.alert_id)
        self._stats.note(alert)
        if age_s > self._max_age_s:
            self._stats.stale += 1
            return True
        if self._webhook is None:
            return True
        waiting = self._waiting[alert.alert_id] = Waiting(alert, [event])
        if self._grouping.offer(waiting, time.monotonic()):
            self._singles.append(waiting)
        while len(self._grouping) > MOST_WAITING:
            self._stats.dropped += 1
            self._settle([self._grouping.oldest()])
        self._stats.waiting = len(self._waiting)
        self._wake.set()
        return False

    async def _bury(self, event: Any, reason: str, path: str = "") -> bool:
        def waiting(problem: str, _pause: float) -> None:
            if problem:
                log.warning("a dead letter waits: %s", problem)

        return await patiently(
            self._app, lambda: self._dead_letters.send(event.message, reason, path), waiting
        )

    async def _deliver(self) -> None:
        while not self._app.should_stop:
            try:
                await self._deliver_next()
            except Exception as error:
                # Raised, it would end the worker.
                log.error("an alert could not be delivered: %s", type(error).__name__, exc_info=error)
                await asyncio.sleep(1.0)

    async def _deliver_next(self) -> None:
        """Make the next call, or wait until there is one to make."""
        assert self._webhook is not None
        if self._singles:
            items = [self._singles.popleft()]
        elif not (items := self._grouping.due(time.monotonic())):
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), self._grouping.wait_s(time.monotonic()))
            except TimeoutError:
                return
            return
        call = alert_messages.summary([item.alert for item in items])
        result = Result.UNREACHABLE
        try:
            result = await self._webhook.post(call.body, call.key)
        finally:
            self._stats.calls[result.value] += 1
            if result is Result.UNREACHABLE:
                self._grouping.put_back(items, time.monotonic())
            else:
                self._settle(items)

    def _settle(self, items: Sequence[Waiting]) -> None:
        for item in items:
            self._waiting.pop(item.alert.alert_id, None)
            for event in item.events:
                event.ack()
        self._stats.waiting = len(self._waiting)
