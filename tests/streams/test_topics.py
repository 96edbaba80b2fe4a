"""Topics: planned, created, checked, refused; on both engines, and against a made-up admin client."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import kafka.errors
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from contracts import topics as names
from contracts.errors import BrokerUnavailable, SettingsError, TerminalError, TopicsMismatch
from contracts.settings import JoinSettings, KafkaSettings
from streams import kafka_client, topics
from streams.kafka_client import security_options
from tests.infra.waiting import wait_until

Make = Callable[..., KafkaSettings]


@pytest.fixture
def kafka_settings(any_kafka_settings: Make) -> Make:
    """On both engines: what a broker tells of its topics differs most."""
    return any_kafka_settings


def create(settings: KafkaSettings, partitions: dict[str, int]) -> None:
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap_servers) as admin:
        admin.create_topics(
            {name: {"num_partitions": n, "replication_factor": 1} for name, n in partitions.items()},
            wait_for_metadata=True,
        )


def existing(settings: KafkaSettings) -> set[str]:
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap_servers) as admin:
        return set(admin.list_topics())


def test_the_plan_names_every_topic_once() -> None:
    settings = KafkaSettings(
        partitions=7, retention_hours=2, requests_topic="shop.requests", max_value_bytes=2048
    )
    specs = {spec.name: spec for spec in topics.plan(settings)}
    assert set(specs) == {"shop.requests", *names.INPUT_TOPICS[1:], *names.OUTPUT_TOPICS}
    assert [s.name for s in specs.values() if s.role == "joined"] == [
        "shop.requests",
        names.SIGNALS,
        names.OUTCOMES,
    ]
    assert {s.partitions for s in specs.values()} == {7}
    assert {s.configs["retention.ms"] for s in specs.values()} == {"7200000"}
    # An oversized value must fit, to become a dead letter; and the dead letter is larger still.
    inbound = int(specs[names.SIGNALS].configs["max.message.bytes"])
    assert inbound > 2 * 2048
    assert int(specs[names.DEAD_LETTERS].configs["max.message.bytes"]) > inbound


def test_two_topics_may_not_share_a_name() -> None:
    with pytest.raises(SettingsError, match="both called x"):
        topics.plan(KafkaSettings(requests_topic="x", signals_topic="x"))


def test_apply_creates_then_confirms(kafka_settings: Make) -> None:
    settings = kafka_settings(partitions=3, retention_hours=5)
    first = topics.apply(settings, JoinSettings())
    inputs = [t for t in first.topics if t.role != "output"]
    assert [t.status for t in inputs] == ["created"] * 4
    assert {t.partitions for t in inputs} == {3}
    assert {t.retention_hours for t in inputs} == {5.0}
    assert {t.name for t in first.topics if t.role == "output"} == set(names.OUTPUT_TOPICS)
    again = topics.apply(settings, JoinSettings())
    assert {t.status for t in again.topics} == {"ok"}
    assert again.warnings == []
    assert [t.name for t in topics.verify(settings, JoinSettings()).topics] == [t.name for t in inputs]


def test_apply_fills_in_what_is_missing(kafka_settings: Make) -> None:
    settings = kafka_settings(partitions=2, retention_hours=5)
    create(settings, {settings.signals_topic: 2})
    report = {t.name: t for t in topics.apply(settings).topics}
    assert report[settings.signals_topic].status == "ok"
    assert report[settings.requests_topic].status == "created"
    # Made by hand: the broker's default retention rules, and the report says so, or that it cannot tell.
    assert "retention" in report[settings.signals_topic].note
    assert not report[settings.requests_topic].note


def test_unequal_partition_counts_are_refused_and_nothing_is_created(kafka_settings: Make) -> None:
    settings = kafka_settings(partitions=2)
    create(settings, {settings.requests_topic: 2, settings.signals_topic: 3})
    with pytest.raises(TopicsMismatch, match=f"{settings.signals_topic} has 3") as raised:
        topics.apply(settings)
    assert raised.value.hint
    assert settings.outcomes_topic not in existing(settings)
    create(settings, {settings.outcomes_topic: 2, settings.consents_topic: 1})
    with pytest.raises(TopicsMismatch, match="same partition count"):
        topics.verify(settings)


def test_a_count_other_than_the_settings_is_refused_with_the_way_out(kafka_settings: Make) -> None:
    settings = kafka_settings(partitions=2)
    create(
        settings, dict.fromkeys((settings.requests_topic, settings.signals_topic, settings.outcomes_topic), 5)
    )
    with pytest.raises(TopicsMismatch, match="5 partitions, the settings ask for 2") as raised:
        topics.apply(settings)
    assert "TAILRACE_KAFKA__PARTITIONS=5" in (raised.value.hint or "")


def test_verify_names_missing_topics_and_creates_none(kafka_settings: Make) -> None:
    settings = kafka_settings()
    with pytest.raises(TopicsMismatch, match=settings.requests_topic) as raised:
        topics.verify(settings)
    assert "topics apply" in (raised.value.hint or "")
    assert settings.requests_topic not in existing(settings)


def test_a_planned_retention_below_the_horizon_is_refused(kafka_settings: Make) -> None:
    settings = kafka_settings(retention_hours=0.5)
    with pytest.raises(SettingsError, match="retention_hours"):
        topics.apply(settings, JoinSettings(horizon_minutes=30))
    assert settings.requests_topic not in existing(settings)


def test_verify_warns_of_a_short_retention(kafka_settings: Make) -> None:
    settings = kafka_settings(retention_hours=1)
    topics.apply(settings)
    assert topics.verify(settings, JoinSettings(horizon_minutes=30)).warnings == []
    warnings = topics.verify(settings, JoinSettings(horizon_minutes=90)).warnings
    assert len(warnings) == 3
    assert "retention.ms" in warnings[0]


def test_verify_warns_of_a_compacted_topic(kafka_settings: Make) -> None:
    settings = kafka_settings()
    topics.apply(settings)
    with KafkaAdminClient(bootstrap_servers=settings.bootstrap_servers) as admin:
        resource = ConfigResource(
            ConfigResourceType.TOPIC, settings.signals_topic, {"cleanup.policy": "compact"}
        )
        admin.alter_configs([resource])
    # Apache Kafka's controller takes the change; what a broker tells follows.
    assert wait_until(lambda: any("compacted" in w for w in topics.verify(settings).warnings))


@pytest.mark.parametrize("servers", ["127.0.0.1:1", "no-such-host.invalid:9092"])
def test_a_missing_broker_is_one_error_in_time(servers: str) -> None:
    begun = time.monotonic()
    with pytest.raises(BrokerUnavailable, match=servers) as raised:
        topics.apply(KafkaSettings(bootstrap_servers=servers), timeout_seconds=2)
    assert time.monotonic() - begun < topics.TIMEOUT_SECONDS, "the default, not the time that was asked for"
    assert raised.value.hint


def test_a_malformed_address_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="options"):
        topics.verify(KafkaSettings(bootstrap_servers="localhost:port"))


class FakeAdmin:
    """The few calls we make, answered as Apache Kafka would where Tansu is more lenient."""

    def __init__(self, **configs: Any) -> None:
        self.bootstrapped = configs
        self.topics: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        self.configs_fail = False

    def __enter__(self) -> FakeAdmin:
        return self

    def __exit__(self, *_: object) -> None: ...

    def describe_topics(self, wanted: list[str]) -> list[dict[str, Any]]:
        return [
            {
                "name": n,
                "error_code": 0 if n in self.topics else 3,
                "partitions": [{}] * self.topics.get(n, 0),
            }
            for n in wanted
        ]

    def create_topics(self, wanted: dict[str, Any], timeout_ms: int, raise_errors: bool) -> dict[str, Any]:
        for name, spec in wanted.items():
            if not self.errors.get(name):
                self.topics[name] = spec["num_partitions"]
            elif self.errors[name] == 36:
                self.topics.setdefault(name, 9)
        return {"topics": [{"name": n, "error_code": self.errors.get(n, 0)} for n in wanted]}

    def wait_for_topics(self, wanted: list[str], timeout_ms: int) -> None: ...

    def describe_configs(self, resources: list[Any], config_filter: str) -> dict[str, Any]:
        if self.configs_fail:
            raise kafka.errors.UnsupportedVersionError("no DescribeConfigs here")
        assert config_filter == "all"
        config = {"retention.ms": {"value": "-1"}, "max.message.bytes": {"value": "1048588"}}
        return {"topic": {r.name: dict(config) for r in resources}}


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> FakeAdmin:
    fake = FakeAdmin()
    monkeypatch.setattr(topics, "open_client", lambda *_, **__: fake)
    return fake


def test_unlimited_retention_is_fine(admin: FakeAdmin) -> None:
    report = topics.apply(KafkaSettings(), JoinSettings())
    assert {t.retention_hours for t in report.topics} == {float("inf")}
    assert all("max.message.bytes is below" in t.note for t in report.topics)
    assert report.warnings == []


def test_a_broker_without_the_configuration_api_is_said_so(admin: FakeAdmin) -> None:
    admin.configs_fail = True
    report = topics.apply(KafkaSettings(), JoinSettings())
    assert {t.retention_hours for t in report.topics} == {None}
    assert all("does not tell" in t.note for t in report.topics)


def test_a_race_with_another_apply_is_checked_again(admin: FakeAdmin) -> None:
    admin.errors[names.SIGNALS] = 36
    with pytest.raises(TopicsMismatch, match="same partition count"):
        topics.apply(KafkaSettings(partitions=4))


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (38, TopicsMismatch, "replicas"),
        (17, TerminalError, "refuses to create"),
        (44, TerminalError, "refuses to create"),
        (29, TerminalError, "refused us"),
        (7, BrokerUnavailable, "no Kafka broker"),
    ],
)
def test_refusals_of_the_cluster_are_explained(
    admin: FakeAdmin, code: int, kind: type[Exception], words: str
) -> None:
    admin.errors[names.REQUESTS] = code
    with pytest.raises(kind, match=words) as raised:
        topics.apply(KafkaSettings())
    assert raised.value.hint  # type: ignore[attr-defined]


def test_security_settings_are_translated() -> None:
    options = security_options(
        {
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "u",
            "sasl.password": "p",
            "ssl.ca.location": "/ca.pem",
            "ssl.endpoint.identification.algorithm": "none",
        }
    )
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
        "ssl_cafile": "/ca.pem",
        "ssl_check_hostname": False,
    }
    # Every option exists in the client we hand it to.
    assert set(options) <= set(KafkaAdminClient.DEFAULT_CONFIG)
    assert set(kafka_client._OPTIONS.values()) <= set(KafkaAdminClient.DEFAULT_CONFIG)
    with pytest.raises(SettingsError, match=r"ssl\.keystore"):
        security_options({"ssl.keystore.location": "/k"})
