"""Telling `tailrace.drops` about drops: those of nights at once, all others as soon as they are seen.

The leader of the workers looks at the registry; what was sent is noted in the lake (`sinks.drops.notices`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from contracts import topics
from contracts.errors import BrokerUnavailable, TailraceError
from sinks.drops.notices import SOURCES, Due, Notice, due, is_noted, note, published_notice
from sinks.lake import Lake
from streams.outputs import ID_HEADER
from streams.reactions.heartbeat import Clock
from streams.reactions.threads import in_thread

log = logging.getLogger("tailrace.drops")

LOOK_S: Final = 10.0
"""The registry is looked at this often."""


def _now() -> datetime:
    return datetime.now(UTC)


class Announcements:
    """Announces what is due, each notice once; a crash between the broker's acknowledgement and the note in
    the lake repeats it, with the same id."""

    def __init__(self, app: Any, lake: Lake, drops_root: Path, *, clock: Clock = _now) -> None:
        self._lake = lake
        self._drops_root = drops_root
        self._clock = clock
        self._topic = app.topic(topics.DROPS, key_serializer="raw", value_serializer="raw")
        self._one_at_a_time = asyncio.Lock()
        self._seen: tuple[int, ...] = ()

    async def announce(self, row: Mapping[str, Any]) -> None:
        """Announce a drop by its registry row, unless that was done. Raises `BrokerUnavailable`,
        `LakeUnavailable`."""
        made = await self._in_lake(lambda: published_notice(self._lake, row, self._drops_root))
        async with self._one_at_a_time:
            await self._send(made)

    async def sweep(self) -> int:
        """Announce everything that is due; how many that were. Raises as `announce` does."""
        async with self._one_at_a_time:
            versions = await self._in_lake(lambda: tuple(self._lake.version(name) for name in SOURCES))
            if versions == self._seen:
                return 0
            found: Due = await self._in_lake(lambda: due(self._lake, self._drops_root, self._clock()))
            for notice in found.notices:
                await self._send(notice)
            self._seen = () if found.more else versions
        return len(found.notices)

    async def _send(self, notice: Notice) -> None:
        if await self._in_lake(lambda: is_noted(self._lake, notice)):
            return
        headers = [(ID_HEADER, notice.id.encode())]
        try:
            await (await self._topic.send(key=notice.channel.encode(), value=notice.value, headers=headers))
        except Exception as error:
            raise BrokerUnavailable(
                f"drop {notice.drop_id} is {notice.notice}, but it could not be announced: "
                f"{type(error).__name__}",
                hint="The next attempt announces it.",
            ) from error
        await self._in_lake(lambda: note(self._lake, notice, self._clock()))
        log.info("drop %s is %s and announced", notice.drop_id, notice.notice)

    async def _in_lake(self, work: Any) -> Any:
        return await in_thread(work, name="tailrace-announcing")


class AnnouncingReactions:
    """Looks at the registry again and again, on one of the workers."""

    def __init__(self, app: Any, announcements: Announcements) -> None:
        self._announcements = announcements
        # Others would only repeat it; the lead moves on when its worker stops answering.
        app.timer(LOOK_S, on_leader=True)(self._look)

    async def _look(self) -> None:
        try:
            await self._announcements.sweep()
        except Exception as error:  # noqa: BLE001 - raised, it would end the worker
            reason = str(error) if isinstance(error, TailraceError) else type(error).__name__
            log.warning("drops could not be announced: %s", reason)
