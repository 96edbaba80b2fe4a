"""How far the lake is behind the broker."""

from __future__ import annotations

import logging
from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from contracts.errors import BrokerUnavailable
from contracts.settings import KafkaSettings
from sinks.lake import Lake
from sinks.transactions import stored_offset
from streams.decoding import input_topics
from streams.origins import topic_origins

_TIMEOUT_S: Final = 5.0


def lag(kafka: KafkaSettings, lake: Lake) -> int:
    """Messages on the input topics that the lake does not hold yet.

    Raises `BrokerUnavailable`. On the embedded broker this may be up to a batch too low: it reports the
    base offset of the last batch as its end.
    """
    kinds = {topic: kind for kind, (topic, _) in input_topics(kafka).items()}
    admin = AdminClient(
        {"bootstrap.servers": kafka.bootstrap_servers, **kafka.security},
        logger=logging.getLogger("tailrace.kafka"),
    )
    try:
        metadata = admin.list_topics(timeout=_TIMEOUT_S).topics
        places = [TopicPartition(topic, p) for topic in kinds for p in metadata[topic].partitions]
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        ends = admin.list_offsets(dict.fromkeys(places, latest))
        high = {(p.topic, p.partition): ends[p].result(timeout=_TIMEOUT_S).offset for p in places}
    except (KafkaException, KeyError, TimeoutError) as error:
        raise BrokerUnavailable(
            f"the broker at {kafka.bootstrap_servers} did not tell its offsets"
        ) from error
    origins = topic_origins(kafka, kinds)
    dead = lake.table("dead_letters")
    tables = {kind: lake.table(kind) for kind in kinds.values()}
    behind = 0
    for (topic, partition), end in high.items():
        origin = origins[topic]
        stored = max(
            stored_offset(tables[kinds[topic]], origin, partition), stored_offset(dead, origin, partition)
        )
        behind += max(end - stored - 1, 0)
    return behind
