"""Dead letters: sending what a reaction cannot process, and counting what arrives on the topic."""

from __future__ import annotations

import logging
import time
from typing import Any

from contracts import reasons, topics
from contracts.errors import BrokerUnavailable
from streams.outputs import ID_HEADER
from streams.reactions.stats import ReactionStats

log = logging.getLogger("tailrace.reactions")


class DeadLetterReactions:
    """Counts dead letters by reason, and adds those of the reactions themselves."""

    def __init__(self, app: Any, stats: ReactionStats) -> None:
        self._stats = stats
        self._topic = app.topic(
            topics.DEAD_LETTERS, key_serializer="raw", value_serializer="raw", allow_empty=True
        )
        app.agent(self._topic, name="dead-letters", concurrency=1)(self._follow)

    async def send(self, message: Any, reason: str, field: str = "") -> None:
        """Send a consumed message to the dead letters and wait for the broker.

        Carries the original bytes, and headers as the join's dead letters do. Raises
        `BrokerUnavailable`.
        """
        place = f"{message.topic}/{message.partition}/{message.offset}"
        headers = [
            (ID_HEADER, place.encode()),
            ("tailrace.reason", reason.encode()),
            ("tailrace.field", field.encode()),
            ("tailrace.topic", message.topic.encode()),
            ("tailrace.partition", str(message.partition).encode()),
            ("tailrace.offset", str(message.offset).encode()),
        ]
        self._stats.poison[message.topic] += 1
        log.warning("message %s goes to the dead letters: %s %s", place, reason, field)
        try:
            await (await self._topic.send(key=message.key, value=message.value, headers=headers))
        except Exception as error:
            raise BrokerUnavailable(f"a dead letter was not acknowledged: {type(error).__name__}") from error

    async def _follow(self, stream: Any) -> None:
        async for event in stream.events():
            try:
                reason, topic, path = (_header(event, name) for name in ("reason", "topic", "field"))
                # Anyone may produce here: only our own codes may become labels of a metric.
                self._stats.dead_letters[reason if reason in reasons.DESCRIPTIONS else "other"] += 1
                self._stats.letters.note(reason, topic, path, at_s=event.message.timestamp, now_s=time.time())
            except Exception as error:  # noqa: BLE001 - never forwarded: that would loop
                self._stats.poison[topics.DEAD_LETTERS] += 1
                log.error("a dead letter could not be counted: %s", type(error).__name__)


def _header(event: Any, name: str) -> str:
    raw = (event.headers or {}).get(f"tailrace.{name}", b"")
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
