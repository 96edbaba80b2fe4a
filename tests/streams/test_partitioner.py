"""The partitioner: the Java client's murmur2, and every producer in the same partition."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from kafka import KafkaProducer
from kafka.partitioner.default import murmur2 as reference_murmur2

from contracts.settings import KafkaSettings
from streams import topics
from streams.partitioner import murmur2, partition_of


@pytest.fixture
def settings(any_kafka_settings: Callable[..., KafkaSettings]) -> KafkaSettings:
    made = any_kafka_settings()
    topics.apply(made)
    return made


def test_murmur2_is_that_of_the_java_client() -> None:
    # From org.apache.kafka.common.utils.UtilsTest.
    known = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    for key, signed in known.items():
        assert murmur2(key) == signed & 0xFFFFFFFF
    for size in range(40):
        key = bytes((7 * size + 31 * i) % 256 for i in range(size))
        assert murmur2(key) == reference_murmur2(key)


def test_librdkafka_agrees_when_told_murmur2(settings: KafkaSettings) -> None:
    keys = [str(uuid.UUID(int=i * 7919)).encode() for i in range(64)]
    placed: dict[bytes | None, int | None] = {}
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "partitioner": "murmur2_random"})
    for key in keys:
        producer.produce(
            settings.outcomes_topic,
            key=key,
            value=b"{}",
            callback=lambda error, message: placed.__setitem__(message.key(), message.partition()),
        )
    assert producer.flush(20) == 0
    assert placed == {key: partition_of(key, settings.partitions) for key in keys}
    assert len(set(placed.values())) == settings.partitions


def test_a_session_of_the_default_producer_lands_with_ours(settings: KafkaSettings) -> None:
    """An application that uses kafka-python on its own must meet us in the same partition."""
    key = uuid.uuid4().hex.encode()
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    try:
        partition = producer.send(settings.signals_topic, key=key, value=b"{}").get(10).partition
    finally:
        producer.close()
    assert partition == partition_of(key, settings.partitions)
