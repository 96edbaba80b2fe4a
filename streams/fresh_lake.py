"""A lake without events and a consumer group that has read some do not belong together.

A worker goes on where its group left off. On an empty lake (mostly the mount point of a disk that is not
mounted) it would split the data over two lakes, and nobody would notice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from contracts.errors import BrokerUnavailable, TerminalError
from contracts.settings import KafkaSettings
from sinks.lake import Lake
from streams.decoding import input_topics
from streams.source import join_group, where_to_start

_TIMEOUT_S: Final = 10.0
_TABLES: Final = ("requests", "signals", "outcomes", "consents", "dead_letters")


def check_fresh_lake(kafka: KafkaSettings, lake: Lake, *, begin_again: bool = False) -> None:
    """See that a lake without events is not about to go on in the middle of the topics.

    Call it before the lake is created: nothing is written to it. With `begin_again` the join's group is
    set back to the lowest offsets that Kafka still holds. Raises `TerminalError` when the lake is empty
    though the group has read events, when a lake to begin again with holds events already, or when other
    workers of the group are running; `BrokerUnavailable` when the broker does not answer. A group whose
    events have all been deleted from Kafka cannot be told from one that has read none.
    """
    if not _is_empty(lake):
        if begin_again:
            raise TerminalError(
                f"the lake at {lake.root} holds events already",
                hint="Leave out --new-lake to go on with it, or choose another --home.",
            )
        return
    with _group(kafka) as consumer:
        places = [
            TopicPartition(topic, partition)
            for topic, _ in input_topics(kafka).values()
            for partition in consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        ]
        committed, bounds = _WHILE_COORDINATORS_MOVE(where_to_start, consumer, places)
        lowest = [low for low, _ in bounds]
        read = sum(max(place.offset - low, 0) for place, low in zip(committed, lowest, strict=True))
        if read and not begin_again:
            raise TerminalError(
                f"there are no events in the lake at {lake.root}, but {join_group(kafka)} has read some "
                f"{read:,} that are still on Kafka",
                hint="Is the lake's disk mounted, and is it the right --home? For a new lake of what Kafka "
                "still holds run `tailrace worker --new-lake`.",
            )
        if read:
            consumer.commit(
                offsets=[
                    TopicPartition(place.topic, place.partition, low)
                    for place, low in zip(committed, lowest, strict=True)
                ],
                asynchronous=False,
            )


def _is_moving(error: BaseException) -> bool:
    """Whether the group's coordinator is still being found, as after its first use or a failover."""
    return isinstance(error, KafkaException) and error.args[0].code() in (
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    )


_WHILE_COORDINATORS_MOVE: Final = Retrying(
    retry=retry_if_exception(_is_moving),
    stop=stop_after_delay(_TIMEOUT_S),
    wait=wait_fixed(0.25),
    reraise=True,
)


def _is_empty(lake: Lake) -> bool:
    """Whether no event was ever stored: tables that are missing, or as they were made."""
    return all(not lake.exists(name) or lake.content_version(name) == 0 for name in _TABLES)


@contextmanager
def _group(kafka: KafkaSettings) -> Iterator[Any]:
    """A consumer that speaks for the join's group without joining it."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": join_group(kafka),
            "enable.auto.commit": False,
            **kafka.security,
        },
        logger=logging.getLogger("tailrace.kafka"),
    )
    try:
        yield consumer
    except KafkaException as exception:
        error = exception.args[0]
        if error.code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION):
            raise TerminalError(
                f"{join_group(kafka)} cannot begin again while workers of it are running",
                hint="Stop them first.",
            ) from exception
        raise BrokerUnavailable(
            f"the broker at {kafka.bootstrap_servers} does not tell what {join_group(kafka)} has read: "
            f"{error.str()}",
            hint="Start the worker again when the broker is well; nothing is lost.",
        ) from exception
    finally:
        consumer.close()
