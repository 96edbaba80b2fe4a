"""Helpers of the join worker's tests: topics, traffic, runs, and what is in the lake afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from kafka import KafkaAdminClient

from contracts import topics
from contracts.settings import JoinSettings, KafkaSettings, Settings
from sinks.lake import Lake
from streams.identity import Identity
from streams.join_worker import JoinStats, JoinWorker
from streams.partitioner import partition_of
from tests.factories import outcome_event, request_event, signal_event

PARTITIONS = 2
Event = tuple[str, bytes, bytes | None]
"""Kind, key, value."""


class Crash(BaseException):
    """The worker's process dies here."""


def settings_for(kafka: KafkaSettings, home: Path) -> Settings:
    return Settings(
        home=home,
        kafka=kafka,
        join=JoinSettings(
            horizon_minutes=1,
            lateness_seconds=30,
            idle_seconds=1,
            checkpoint_seconds=0.2,
            checkpoint_events=60,
        ),
    )


def topic_of(kafka: KafkaSettings, kind: str) -> str:
    return str(getattr(kafka, f"{kind}_topic"))


def create_topics(kafka: KafkaSettings) -> None:
    inputs = [topic_of(kafka, kind) for kind in ("requests", "signals", "outcomes", "consents")]
    with KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers) as admin:
        missing = {*inputs, *topics.OUTPUT_TOPICS} - set(admin.list_topics())
        admin.create_topics(
            {name: {"num_partitions": PARTITIONS, "replication_factor": 1} for name in sorted(missing)},
            wait_for_metadata=True,
        )


def traffic(sessions: int = 25, *, seed: int = 1) -> list[Event]:
    """Sessions of three requests with evidence, repeats, orphans and broken messages."""
    dice = random.Random(seed)
    timed: list[tuple[float, Event]] = []

    def put(kind: str, seconds: float, event: dict[str, Any]) -> None:
        made = (kind, str(event["session_id"]).encode(), msgspec.json.encode(event))
        timed.extend((seconds + dice.uniform(0, 20), made) for _ in range(dice.choice([1, 1, 1, 2])))

    for s in range(sessions):
        session, start = f"{seed}-s{s}", s * 20.0
        for r in range(3):
            request, moment = f"{session}-r{r}", start + r * 45
            put(
                "requests",
                moment,
                request_event(request, seconds=moment, session_id=session, user_id=f"u{s % 7}"),
            )
            extra = {"request_id": request} if dice.random() < 0.5 else {}
            kind = dice.choice(["copy", "accept", "regenerate", "undo"])
            signal = signal_event(f"{request}-g", seconds=moment + 5, session_id=session, kind=kind, **extra)
            put("signals", moment + 5, signal)
            good = dice.random() < 0.5
            outcome = outcome_event(
                f"{request}-o", seconds=moment + 30, session_id=session, success=good, **extra
            )
            put("outcomes", moment + 30, outcome)
    put("signals", 0, signal_event("orphan", seconds=0, session_id="nobody"))
    broken = [b"{", b"", b"\xff", b"[]", msgspec.json.encode(signal_event("late", occurred_at=1)), None]
    timed += [(i * 60.0, ("signals", b"k", value)) for i, value in enumerate(broken)]
    return [event for _, event in sorted(timed, key=lambda pair: pair[0])]


def produce(kafka: KafkaSettings, events: list[Event]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 5})
    for kind, key, value in events:
        producer.produce(topic_of(kafka, kind), key=key, value=value, partition=partition_of(key, PARTITIONS))
    assert producer.flush(30) == 0


def run(settings: Settings, lake: Lake, *, on_step: Callable[[str], None] | None = None) -> JoinStats:
    identity = Identity(b"key", held_out_share=0.1)
    return JoinWorker(settings, lake, identity, on_step=on_step).run(drain=True)


def run_until(settings: Settings, lake: Lake, step: str, occurrence: int = 1) -> bool:
    """Run until the worker dies right after a named step; whether it got there.

    Only steps count that had something to store: before its first message the worker's are empty.
    """
    seen = 0

    def die(name: str) -> None:
        nonlocal seen
        if name == step and worker.stats.consumed:
            seen += 1
            if seen == occurrence:
                raise Crash

    worker = JoinWorker(settings, lake, Identity(b"key", held_out_share=0.1), on_step=die)
    try:
        worker.run(drain=True)
    except Crash:
        return True
    return False


PATIENCE_S = 60


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold within a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False


VOLATILE = ["settled_at", "received_at"]


def contents(lake: Lake, *ignored: str) -> dict[str, pl.DataFrame]:
    """Rows of every table the worker writes, in a stable order, without clock times."""
    result = {}
    for name in ("requests", "signals", "outcomes", "consents", "dead_letters", "interactions"):
        frame = lake.scan(name).collect()
        frame = frame.drop([c for c in (*VOLATILE, *ignored) if c in frame.columns])
        key = ["request_id", "revision"] if name == "interactions" else ["partition", "offset"]
        result[name] = frame.sort(key)
    return result


def consume_all(kafka: KafkaSettings, topic: str, wanted: int) -> list[Any]:
    """Messages of a topic from its start: at least `wanted`, and what comes right behind them."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "nobody"})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
    found: list[Any] = []
    deadline = time.monotonic() + 30
    try:
        while time.monotonic() < deadline:
            batch = consumer.consume(1000, 1.0)
            found += [m for m in batch if m.error() is None]
            if len(found) >= wanted and not batch:
                break
    finally:
        consumer.close()
    return found


def headers(message: Any) -> Mapping[str, bytes]:
    return dict(message.headers() or [])
