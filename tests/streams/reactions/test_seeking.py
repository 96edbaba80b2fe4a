"""Partitions without a commit are read from their beginning, whatever Faust has fetched and thrown away."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.reactions.seeking import seek_begins_too

COMMITTED = {
    TP("consent.events", 0): None,
    TP("consent.events", 1): 0,
    TP("tailrace.failures", 0): 7,
    TP("app-consents-changelog", 0): None,
}


class Consumer:
    """As far as a seek goes, like Faust's with aiokafka: it moves only to offsets above 0."""

    def __init__(self) -> None:
        self.positions = dict.fromkeys(COMMITTED, 100)

    async def seek_to_committed(self) -> dict[TP, int | None]:
        self.positions |= {tp: offset for tp, offset in COMMITTED.items() if offset}
        return COMMITTED

    async def perform_seek(self) -> None:
        await self.seek_to_committed()

    async def earliest_offsets(self, *places: TP) -> dict[TP, int]:
        return {place: 3 if place.partition else 0 for place in places}

    async def seek(self, place: TP, offset: int) -> None:
        self.positions[place] = offset


def test_every_partition_but_changelogs_is_sought() -> None:
    consumer: Any = Consumer()
    app = SimpleNamespace(tables=SimpleNamespace(changelog_topics={"app-consents-changelog"}))
    asyncio.run(seek_begins_too(app, consumer).perform_seek())
    assert list(consumer.positions.values()) == [0, 3, 7, 100]
