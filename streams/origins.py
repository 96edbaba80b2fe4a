"""Which incarnation of a topic offsets belong to.

Offsets only mean something within one incarnation: when a topic is deleted and made again (or a
development broker restarts empty), they begin at 0 anew. Without telling the two apart, "this offset
is stored already" would silently skip new events.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaException, TopicCollection, Uuid
from confluent_kafka.admin import AdminClient

from contracts.errors import BrokerUnavailable
from contracts.settings import KafkaSettings

_TIMEOUT_S: Final = 10.0
_NO_ID: Final = str(Uuid(0, 0))


def topic_origins(kafka: KafkaSettings, topics: Iterable[str]) -> dict[str, str]:
    """Topic → `name@incarnation`: the topic id (Kafka ≥ 2.8), else the cluster id.

    Raises `BrokerUnavailable` when the broker does not answer.
    """
    names = list(topics)
    admin = AdminClient(
        {"bootstrap.servers": kafka.bootstrap_servers, **kafka.security},
        logger=logging.getLogger("tailrace.kafka"),
    )
    try:
        described = admin.describe_topics(TopicCollection(names), request_timeout=_TIMEOUT_S)
        ids = {name: str(future.result(timeout=_TIMEOUT_S).topic_id) for name, future in described.items()}
        if any(topic_id in ("", _NO_ID) for topic_id in ids.values()):
            cluster = admin.list_topics(timeout=_TIMEOUT_S).cluster_id
            ids = dict.fromkeys(names, str(cluster))
    except (KafkaException, TimeoutError) as error:
        raise BrokerUnavailable(
            f"the broker at {kafka.bootstrap_servers} did not describe the topics",
            hint="Is it running, and do the topics exist (`tailrace topics apply`)?",
        ) from error
    return {name: f"{name}@{topic_id}" for name, topic_id in ids.items()}
