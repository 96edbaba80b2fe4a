"""Put records on a broker quickly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Producer

from contracts.errors import BrokerUnavailable

_BATCH: Final = 10_000
_FLUSH_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What `send` put on the broker; `size`: bytes of the values."""

    events: int
    size: int


def send(
    bootstrap_servers: str, records: Iterable[tuple[str, bytes, bytes]], names: Mapping[str, str]
) -> Sent:
    """Send (topic, key, value) records; `names` maps their topics to those on the broker.

    Raises `BrokerUnavailable` when the broker does not acknowledge everything.
    """
    failed: list[str] = []

    def delivered(error: Any, _message: Any) -> None:
        if error is not None:
            failed.append(error.str())

    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "batch.num.messages": 50_000,
            "queue.buffering.max.messages": 500_000,
            "message.timeout.ms": round(_FLUSH_S * 1000),
            "delivery.report.only.error": True,
        }
    )
    waiting: dict[str, list[dict[str, Any]]] = {}
    events = size = 0
    for topic, key, value in records:
        events += 1
        size += len(value)
        batch = waiting.setdefault(names[topic], [])
        batch.append({"key": key, "value": value})
        if len(batch) == _BATCH:
            _send(producer, names[topic], batch, delivered)
            waiting[names[topic]] = []
    for topic, batch in waiting.items():
        _send(producer, topic, batch, delivered)
    left = producer.flush(_FLUSH_S)
    if left or failed:
        raise BrokerUnavailable(
            f"{left + len(failed)} of {events} events were not acknowledged: "
            f"{failed[0] if failed else 'timed out'}",
            hint="Has the broker enough memory? Try fewer --events.",
        )
    return Sent(events, size)


def _send(producer: Producer, topic: str, batch: list[dict[str, Any]], delivered: Any) -> None:
    while batch:
        for message in batch:
            message.pop("_error", None)
        producer.produce_batch(topic, batch, on_delivery=delivered)
        batch = [message for message in batch if "_error" in message]
        producer.poll(0.1 if batch else 0)
