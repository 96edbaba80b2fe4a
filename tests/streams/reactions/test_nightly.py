"""The scheduled drop: published and announced once, however often it is asked for at once."""

from __future__ import annotations

import asyncio
import json

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from contracts import topics
from contracts.errors import SettingsError
from contracts.settings import NightlySettings, Settings
from sinks.drops.manifest import MANIFEST_FILE, sha256
from sinks.lake import Lake
from streams.emitter import Emitter
from streams.identity import Identity
from streams.join_worker import JoinWorker
from streams.reactions.app import REACTIONS, ReactionsApp, create_app

IDENTITY = Identity(b"test", held_out_share=0.0)


def make(settings: Settings) -> ReactionsApp:
    lake = Lake(settings.lake_root)
    return create_app(settings, lake=lake, identity=IDENTITY, roles=frozenset({REACTIONS}))


def announced(settings: Settings) -> list[dict[str, object]]:
    # Assigned, not subscribed: joining a group takes the embedded broker seconds.
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": "drops-test"})
    consumer.assign([TopicPartition(topics.DROPS, p, OFFSET_BEGINNING) for p in range(2)])
    try:
        first = consumer.consume(1, 20)
        return [json.loads(m.value()) for m in [*first, *consumer.consume(10, 1.5)]]
    finally:
        consumer.close()


def test_twice_at_once_is_one_drop(place: Settings) -> None:
    with Emitter(place.kafka.bootstrap_servers) as emitter:
        for i in range(6):
            emitter.request(
                request_id=f"r{i}",
                session_id=f"s{i}",
                user_id=f"u{i}",
                feature="support",
                prompt=f"question {i}",
                response=f"answer {i}",
                consent={"scopes": ["training"]},
            )
            emitter.signal(session_id=f"s{i}", request_id=f"r{i}", kind="report")
    lake = Lake(place.lake_root)
    JoinWorker(place, lake, IDENTITY).run(drain=True)

    async def build() -> list[bool]:
        app = make(place)
        assert app.nightly is not None
        assert app.stats is not None
        producer = await app.maybe_start_producer()
        results = await asyncio.gather(app.nightly.run(), app.nightly.run())
        await app.nightly.run()
        await producer.stop()
        assert app.stats.drops == {"published": 1, "unchanged": 2}
        return [result is not None and result.new for result in results]

    assert sorted(asyncio.run(build())) == [False, True]
    registered = lake.scan("drops").collect()
    assert registered.height == 1
    (message,) = announced(place)
    folder = place.drops_root / registered["path"].item()
    assert message["drop_id"] == registered["drop_id"].item()
    assert message["manifest_sha256"] == sha256(folder / MANIFEST_FILE)


def test_a_schedule_that_is_no_cron_expression_is_refused(place: Settings) -> None:
    bad = place.model_copy(update={"nightly": NightlySettings(enabled=True, cron="at night")})
    with pytest.raises(SettingsError, match=r"nightly\.cron"):
        make(bad)
