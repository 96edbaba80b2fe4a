"""Fixtures every test may use: real brokers of two engines, and the shared data where it is there.

`broker` and `kafka_settings` are Tansu, the fast default. `any_broker` and `any_kafka_settings` run a
test on both engines; `apache_kafka`, `apache_kafka_cluster` and `own_apache_kafka` are Apache Kafka.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from infra.apache_kafka import ApacheKafka
from infra.broker import EmbeddedBroker
from tests import broker_report, spreading
from tests.brokers import APACHE_KAFKA, ENGINES, Broker, Make, need_apache_kafka, need_tansu, settings_maker


def pytest_configure(config: pytest.Config) -> None:
    # How fast an example runs says how busy the machine is, and no test is about that.
    settings.register_profile(
        "tailrace", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("tailrace")
    broker_report.install(config)
    config.pluginmanager.register(spreading)


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    """One embedded broker for the whole run. It keeps everything in memory: use fresh topic names."""
    need_tansu()
    with EmbeddedBroker() as started:
        yield started


@pytest.fixture(scope="session")
def apache_kafka() -> Iterator[ApacheKafka]:
    """One Apache Kafka broker for the whole run: leave it running, and use fresh topic names."""
    need_apache_kafka()
    with ApacheKafka() as started:
        yield started


@pytest.fixture(scope="session")
def _one_cluster() -> Iterator[ApacheKafka]:
    need_apache_kafka()
    with ApacheKafka(brokers=3) as started:
        yield started


@pytest.fixture
def apache_kafka_cluster(_one_cluster: ApacheKafka) -> ApacheKafka:
    """Three Apache Kafka brokers (replication factor 3, two in sync), all running when the test begins.

    For tests marked `faults` or `slow`; a test may stop, kill and restart them. Topics stay.
    """
    _one_cluster.start()
    return _one_cluster


@pytest.fixture
def own_apache_kafka() -> Iterator[Callable[..., ApacheKafka]]:
    """Starts Apache Kafka for this test alone, to be stopped, killed and restarted: takes `ApacheKafka`'s
    arguments. Deleted at the end."""
    need_apache_kafka()
    started: list[ApacheKafka] = []

    def start(*arguments: Any, **options: Any) -> ApacheKafka:
        started.append(ApacheKafka(*arguments, **options))
        started[-1].start()
        return started[-1]

    yield start
    for kafka in started:
        kafka.close()


@pytest.fixture(scope="module", params=ENGINES)
def any_broker(request: pytest.FixtureRequest) -> Broker:
    """The shared broker of each engine in turn: the test runs once on Tansu, once on Apache Kafka."""
    name = "apache_kafka" if request.param == APACHE_KAFKA else "broker"
    started: Broker = request.getfixturevalue(name)
    return started


@pytest.fixture
def kafka_settings(broker: EmbeddedBroker) -> Make:
    """Settings for the embedded broker with input topics no other test uses; options override."""
    return settings_maker(broker)


@pytest.fixture
def any_kafka_settings(any_broker: Broker) -> Make:
    """As `kafka_settings`, on each engine in turn."""
    return settings_maker(any_broker)


@pytest.fixture
def apache_kafka_settings(apache_kafka: ApacheKafka) -> Make:
    """As `kafka_settings`, on one Apache Kafka broker."""
    return settings_maker(apache_kafka)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared test data (SHARED_DATA, else shared/data beside the checkout)."""
    named = os.environ.get("SHARED_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set SHARED_DATA")
    return folder
