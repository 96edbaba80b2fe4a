"""The broker a benchmark runs against, its topics, and what joining a consumer group costs on it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.processes import cpu_seconds
from contracts import topics
from contracts.errors import BrokerUnavailable, TerminalError
from contracts.settings import KafkaSettings
from infra.apache_kafka import ApacheKafka
from infra.broker import EmbeddedBroker

ENGINES: Final = ("tansu", "kafka")
SESSION_TIMEOUT_MS: Final = 6_000
"""Tansu lets the first member of a group wait for half of this."""

_TOPIC_CONFIG: Final = {
    "cleanup.policy": "delete",
    "retention.ms": str(7 * 24 * 3_600_000),
    "retention.bytes": "-1",
    "max.message.bytes": str(4 << 20),
}
"""Named in full, because Quix Streams asks for the settings of its input topics."""

_WAIT_TOPIC: Final = "benchmark.join-wait"
_TIMEOUT_S: Final = 30.0
_QUIET_S: Final = 1.5


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker. `pids`: its processes (their descendants belong to it too)."""

    engine: str
    bootstrap_servers: str
    pids: tuple[int, ...]

    def cpu_s(self) -> float:
        """CPU seconds the broker has used so far."""
        return sum(map(cpu_seconds, self.pids))

    def create(self, names: list[str], partitions: int = 4) -> None:
        """Create topics, or leave those that exist."""
        admin = _admin(self.bootstrap_servers)
        existing = admin.list_topics(timeout=_TIMEOUT_S).topics
        new = [
            NewTopic(name, num_partitions=partitions, replication_factor=1, config=_TOPIC_CONFIG)
            for name in names
            if name not in existing
        ]
        if not new:
            return
        try:
            for future in admin.create_topics(new, request_timeout=_TIMEOUT_S).values():
                future.result(_TIMEOUT_S)
        except KafkaException as error:
            raise BrokerUnavailable(f"topics could not be created: {error.args[0].str()}") from error

    def delete(self, names: list[str]) -> None:
        """Delete topics, to give their memory back; a broker that cannot is left as it is."""
        admin = _admin(self.bootstrap_servers)
        for future in admin.delete_topics(names, request_timeout=_TIMEOUT_S).values():
            try:
                future.result(_TIMEOUT_S)
            except KafkaException:
                continue

    def join_wait_s(self) -> float:
        """Seconds from subscribing to the first assignment for a lone member of a new group.

        The first group of a new Kafka broker also waits for the topic of offsets: a second one tells.
        """
        self.create([_WAIT_TOPIC], partitions=1)
        if self.engine == "kafka":
            self._join_wait_s()
        return self._join_wait_s()

    def _join_wait_s(self) -> float:
        assigned: list[float] = []
        consumer = Consumer(reader_options(self.bootstrap_servers, f"wait-{time.time_ns()}"))
        started = time.perf_counter()
        consumer.subscribe([_WAIT_TOPIC], on_assign=lambda *_: assigned.append(time.perf_counter()))
        while not assigned and time.perf_counter() - started < _TIMEOUT_S:
            consumer.poll(0.01)
        consumer.close()
        if not assigned:
            raise BrokerUnavailable("the broker assigned nothing to a new consumer group")
        return assigned[0] - started

    def values(self, topic: str) -> Iterator[bytes]:
        """Every value of a topic, until it stays quiet."""
        consumer = Consumer(reader_options(self.bootstrap_servers, f"values-{time.time_ns()}"))
        consumer.subscribe([topic])
        quiet_since = time.perf_counter() + SESSION_TIMEOUT_MS / 1000
        while time.perf_counter() - quiet_since < _QUIET_S:
            for message in consumer.consume(10_000, 0.2):
                value = message.value()
                if message.error() is None and value is not None:
                    quiet_since = time.perf_counter()
                    yield value
        consumer.close()


def _admin(bootstrap_servers: str) -> AdminClient:
    # With a logger of its own: librdkafka writes remarks of no interest to stderr otherwise.
    return AdminClient({"bootstrap.servers": bootstrap_servers}, logger=logging.getLogger("benchmarks.kafka"))


def reader_options(bootstrap_servers: str, group: str) -> dict[str, Any]:
    """Options of a plain confluent-kafka consumer, tuned for reading as fast as it can."""
    return {
        "bootstrap.servers": bootstrap_servers,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": SESSION_TIMEOUT_MS // 6,
        "fetch.message.max.bytes": 4 << 20,
        "queued.min.messages": 200_000,
        "queued.max.messages.kbytes": 262_144,
        "fetch.queue.backoff.ms": 5,
        "check.crcs": False,
    }


@contextmanager
def started(engine: str) -> Iterator[Broker]:
    """A fresh broker on loopback, stopped and forgotten at the end.

    Raises `TerminalError` when the engine is unknown or does not start.
    """
    if engine == "tansu":
        with EmbeddedBroker() as tansu:
            yield Broker(engine, tansu.bootstrap_servers, (tansu.pid or 0,))
        return
    if engine != "kafka":
        raise TerminalError(f"unknown engine {engine}", hint=f"One of {', '.join(ENGINES)}.")
    with ApacheKafka(quick_start=False, heap_mb=2_048) as kafka:
        yield Broker(engine, kafka.bootstrap_servers, kafka.pids)


def kafka_settings(broker: Broker, group: str, names: dict[str, str]) -> KafkaSettings:
    """Settings of Tailrace for the topics of a run; `names`: default topic → topic on the broker."""
    return KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers,
        group_id=group,
        session_timeout_ms=SESSION_TIMEOUT_MS,
        requests_topic=names[topics.REQUESTS],
        signals_topic=names[topics.SIGNALS],
        outcomes_topic=names[topics.OUTCOMES],
        consents_topic=names[topics.CONSENTS],
    )
