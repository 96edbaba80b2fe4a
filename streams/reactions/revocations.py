"""From a revocation to the quarantine of what that user has pending, in a thread beside the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from contracts.errors import TerminalError
from contracts.settings import Settings
from curation.revocations import Revocation, quarantine_pending
from sinks.lake import Lake
from streams.reactions.patience import patiently
from streams.reactions.stats import ReactionStats
from streams.reactions.threads import in_thread

log = logging.getLogger("tailrace.reactions")

MOST_WAITING: Final = 5_000
"""Revocations that wait; with more the consent agent waits, and Kafka keeps the rest."""

BATCH: Final = 1_000
GATHER_S: Final = 0.3
"""Time in which revocations are gathered, so that a wave of them costs one look at the lake, seconds."""


class RevocationReactions:
    """Quarantines pending candidates of users who revoked; an event is acknowledged when that is done.

    So whoever dies before leaves the revocation to the next worker, which adds what is missing.
    """

    def __init__(
        self,
        app: Any,
        settings: Settings,
        lake: Lake,
        stats: ReactionStats,
        *,
        fail: Callable[[BaseException], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._app = app
        self._days = timedelta(days=settings.privacy.revocation_days)
        self._threshold = settings.curation.failure_threshold
        self._lake = lake
        self._stats = stats
        self._fail = fail
        self._clock = clock
        self._waiting: asyncio.Queue[tuple[Any, Revocation]] = asyncio.Queue(MOST_WAITING)
        app.task(self._run)

    async def put(self, event: Any, revocation: Revocation) -> None:
        """Have a revocation acted upon; `event` is acknowledged then."""
        await self._waiting.put((event, revocation))

    async def _run(self) -> None:
        while not self._app.should_stop:
            batch = [await self._waiting.get()]
            await asyncio.sleep(GATHER_S)
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                done = await self._quarantined([revocation for _, revocation in batch])
            except TerminalError as error:
                self._fail(error)
                return
            except Exception as error:  # noqa: BLE001 - the build refuses these rows in any case
                self._stats.poison["revocations"] += len(batch)
                log.error("pending rows of a revocation were not quarantined: %s", type(error).__name__)
                done = True
            if done:
                for event, _ in batch:
                    event.ack()

    async def _quarantined(self, revocations: Sequence[Revocation]) -> bool:
        """Quarantine what is pending; False when the app stops first."""

        async def attempt() -> None:
            now = self._clock()
            self._stats.quarantined += await in_thread(
                lambda: quarantine_pending(
                    self._lake,
                    revocations,
                    since=(now - self._days).date(),
                    threshold=self._threshold,
                    now=now,
                ),
                name="tailrace-revocations",
            )

        return await patiently(self._app, attempt, self._delayed)

    def _delayed(self, problem: str, pause: float) -> None:
        self._stats.problem = problem
        if problem:
            log.warning("revocations wait, trying again in %.1f s: %s", pause, problem)
