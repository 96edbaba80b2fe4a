"""The bulk reader knows when it has read everything."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import Producer

from contracts.settings import KafkaSettings
from streams.source import KafkaSource
from tests.streams.lake_of_events import create_topics

SECONDS = 60.0


def test_the_end_of_a_topic_is_reached_behind_the_marker_of_a_transaction(
    apache_kafka_settings: Callable[[], KafkaSettings],
) -> None:
    kafka = apache_kafka_settings()
    create_topics(kafka)
    topic = kafka.requests_topic
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": f"test-{kafka.group_id}"}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for i in range(3):
        producer.produce(topic, key=b"k", value=f"{i}".encode(), partition=0)
    producer.commit_transaction(30)

    source = KafkaSource(kafka, [topic], on_assign=lambda _: None, on_revoke=lambda _: None)
    try:
        read: list[bytes | None] = []
        end = time.monotonic() + SECONDS
        while not (len(read) == 3 and source.at_end((topic, 0))) and time.monotonic() < end:
            read += [message[5] for message in source.poll(100, 0.2)]
        assert read == [b"0", b"1", b"2"]
        assert source.at_end((topic, 0))
        # Three messages and the marker behind them.
        assert source.positions[topic, 0] == 4
        assert source.lag() == 0
    finally:
        source.close()
