"""Watchers of the nightly schedule with a clock and a stopwatch of the test's own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from contracts import topics
from contracts.settings import NightlySettings, Settings
from sinks.lake import Lake
from sinks.nightly_runs import SCHEDULED, Run, begin
from streams.identity import Identity
from streams.outputs import ID_HEADER
from streams.reactions.app import REACTIONS, create_app
from streams.reactions.nightly import NightlyReactions
from streams.reactions.stats import ReactionStats
from tests.factories import request_event, signal_event
from tests.lakes import ingest, new_lake

EVENING = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
NIGHT = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)
"""Scheduled moments before and after the events of `home_with`."""


def failure(name: str, *, seconds: float = 0) -> list[tuple[str, dict[str, Any]]]:
    """A request and the report of its user, `seconds` after `START`."""
    asked = request_event(
        name,
        seconds=seconds,
        session_id=f"s-{name}",
        user_id=f"u-{name}",
        prompt=f"where is order {name}",
        response=f"order {name} is lost",
        consent={"scopes": ["training"]},
    )
    report = signal_event(
        f"g-{name}", seconds=seconds + 5, session_id=f"s-{name}", request_id=name, kind="report"
    )
    return [("request", asked), ("signal", report)]


def home_with(place: Settings, home: Path, *names: str, **nightly: Any) -> Settings:
    """A deployment on the broker of `place` with a lake of its own that holds failures, its schedule in
    force since `EVENING`."""
    nights = NightlySettings(enabled=True, **nightly)
    settings = place.model_copy(update={"home": home, "nightly": nights})
    lake = new_lake(home / "lake")
    for n, name in enumerate(names):
        ingest(lake, failure(name), first_offset=10 * n)
    begin(lake, Run(EVENING, "default", 0, SCHEDULED, True, "test", EVENING))
    return settings


@dataclass
class Time:
    """What the watchers of a test take for the time."""

    now: datetime = NIGHT + timedelta(minutes=1)
    seconds: float = 0.0

    def pass_by(self, **amount: float) -> None:
        """Let clock and stopwatch go on."""
        self.now += timedelta(**amount)
        self.seconds += timedelta(**amount).total_seconds()


@dataclass
class Watcher:
    """One worker's view of the schedule."""

    nightly: NightlyReactions
    stats: ReactionStats = field(default_factory=ReactionStats)

    async def tick(self) -> str:
        """One look; the action it led to."""
        return (await self.nightly.tick()).action

    def results(self) -> dict[str, int]:
        """Builds by result, as counted."""
        return dict(+Counter(self.stats.drops))


@asynccontextmanager
async def watchers(*deployments: Settings, time: Time) -> AsyncIterator[list[Watcher]]:
    """A watcher per deployment, with producers that reach the broker."""
    made, producers = [], []
    for settings in deployments:
        idle = settings.model_copy(update={"nightly": NightlySettings()})
        lake = Lake(settings.lake_root)
        app = create_app(
            idle, lake=lake, identity=Identity(b"test", held_out_share=0.0), roles=frozenset({REACTIONS})
        )
        stats = ReactionStats()
        nightly = NightlyReactions(
            app, settings, lake, stats, clock=lambda: time.now, seconds=lambda: time.seconds
        )
        producers.append(await app.maybe_start_producer())
        made.append(Watcher(nightly, stats))
    try:
        yield made
    finally:
        for producer in producers:
            await producer.stop()


def announced(settings: Settings, drop: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was announced of a deployment's drop (its registry row), which was announced at least once."""
    path = str(settings.drops_root / drop["path"])
    return [value for _, value in heard(settings, lambda value: value["path"] == path)]


def heard(
    settings: Settings, wanted: Callable[[dict[str, Any]], bool], *, patience: float = 20
) -> list[tuple[str, dict[str, Any]]]:
    """Id and value of messages about drops, oldest first, once there is one; none when patience is over."""
    # Assigned, not subscribed: joining a group takes the embedded broker seconds.
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": "drops-test"})
    consumer.assign([TopicPartition(topics.DROPS, p, OFFSET_BEGINNING) for p in range(2)])
    found: list[tuple[str, dict[str, Any]]] = []
    try:
        # The last message of this deployment may be followed by a repeat: that is what is looked for.
        while (message := consumer.poll(0.5 if found else patience)) is not None:
            value = json.loads(message.value())
            if wanted(value):
                found.append((dict(message.headers())[ID_HEADER].decode(), value))
    finally:
        consumer.close()
    return found
