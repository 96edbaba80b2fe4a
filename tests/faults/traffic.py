"""Events for the fault tests: sessions with evidence, repeats, orphans and broken messages."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from confluent_kafka import Producer

from contracts.settings import KafkaSettings
from streams.partitioner import partition_of
from tests.factories import consent_event, outcome_event, request_event, signal_event

KINDS: Final = ("requests", "signals", "outcomes", "consents")
LATENESS_S: Final = 30.0
HORIZON_S: Final = 60.0

Event = tuple[str, bytes, bytes | None]
"""Kind, key, value."""


def traffic(sessions: int, *, tag: str, seed: int = 1) -> list[Event]:
    """Events of `sessions` sessions in the order of their arrival, at most 20 s out of order.

    All ids begin with `tag`, so that traffic of several tests can share output topics.
    """
    dice = random.Random(seed)
    timed: list[tuple[float, Event]] = []

    def put(kind: str, seconds: float, key: str, event: dict[str, Any]) -> None:
        made = (kind, key.encode(), msgspec.json.encode(event))
        timed.extend((seconds + dice.uniform(0, 20), made) for _ in range(dice.choice([1, 1, 1, 2])))

    for s in range(sessions):
        session, start = f"{tag}-s{s}", s * 4.0
        for r in range(2):
            request, moment = f"{session}-r{r}", start + r * 45
            user = f"{tag}-u{s % 7}"
            put(
                "requests",
                moment,
                session,
                request_event(request, seconds=moment, session_id=session, user_id=user),
            )
            named = {"request_id": request} if dice.random() < 0.5 else {}
            kind = dice.choice(["copy", "accept", "regenerate", "undo", "edit"])
            text = {"text": "press the reset button"} if kind == "edit" else {}
            signal = signal_event(
                f"{request}-g", seconds=moment + 5, session_id=session, kind=kind, **named, **text
            )
            put("signals", moment + 5, session, signal)
            if dice.random() < 0.5:
                outcome = outcome_event(
                    f"{request}-o",
                    seconds=moment + 30,
                    session_id=session,
                    success=dice.random() < 0.5,
                    **named,
                )
                put("outcomes", moment + 30, session, outcome)
        if s % 5 == 0:
            consent = consent_event(f"{session}-c", seconds=start, user_id=f"{tag}-u{s % 7}")
            put("consents", start, session, consent)
        if s % 9 == 0:
            orphan = signal_event(f"{session}-x", seconds=start, session_id=f"{session}-nobody")
            put("signals", start, session, orphan)
        if s % 11 == 0:
            timed.append((start, ("outcomes", session.encode(), dice.choice([b"{", b"[]", b"\xff", None]))))
    return [event for _, event in sorted(timed, key=lambda pair: pair[0])]


def request_ids(events: Iterable[Event]) -> set[str]:
    """The requests among the events."""
    return {msgspec.json.decode(v)["request_id"] for kind, _, v in events if kind == "requests" and v}


class Feeder:
    """Hands out prepared events in order, a few at a time; thread-safe only by having one owner."""

    def __init__(self, kafka: KafkaSettings, events: list[Event]) -> None:
        self._kafka = kafka
        self._events = events
        self._producer = Producer(
            {"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 2, "enable.idempotence": True}
        )
        self.sent = 0

    @property
    def sent_events(self) -> list[Event]:
        """What was handed out so far."""
        return self._events[: self.sent]

    def feed(self, count: int) -> None:
        """Send the next `count` events and wait until the broker has them."""
        assert self.sent + count <= len(self._events), "out of prepared traffic"
        for kind, key, value in self._events[self.sent : self.sent + count]:
            topic = getattr(self._kafka, f"{kind}_topic")
            partition = partition_of(key, self._kafka.partitions)
            self._producer.produce(topic, key=key, value=value, partition=partition)
        assert self._producer.flush(60) == 0
        self.sent += count
