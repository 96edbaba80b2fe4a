"""Poison events become dead letters with their own bytes, each once, and are known after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts import reasons
from contracts.settings import JoinSettings, KafkaSettings
from sinks.lake import Lake
from streams import poison as poison_module
from streams.isolation import Poison
from streams.origins import topic_origins
from streams.poison import PoisonLetters, read_back
from streams.topics import apply
from tests.brokers import Make
from tests.lakes import new_lake

VALUES = [b"zero", b"one", b"two", b"three"]


def send(kafka: KafkaSettings, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for value in VALUES:
        producer.produce(topic, key=b"key", value=value, partition=1)
    assert producer.flush(30) == 0


@pytest.fixture
def kafka(any_kafka_settings: Make) -> KafkaSettings:
    settings: KafkaSettings = any_kafka_settings(partitions=2)
    apply(settings, JoinSettings())
    send(settings, settings.signals_topic)
    return settings


def letters(kafka: KafkaSettings, lake: Lake, origins: Mapping[str, str] | None = None) -> PoisonLetters:
    topics = {"requests": kafka.requests_topic, "signals": kafka.signals_topic}
    return PoisonLetters(kafka, lake, topics, origins or topic_origins(kafka, topics.values()))


def test_poison_is_stored_once_with_its_bytes(kafka: KafkaSettings, tmp_path: Path) -> None:
    lake = new_lake(tmp_path / "lake")
    poison = [Poison("signals", 1, offset, "ZeroDivisionError") for offset in (2, 0)]
    returned = letters(kafka, lake).store(poison)
    # A later one has a lower offset than what is stored; another worker stores one of them again.
    again = letters(kafka, lake).store([Poison("signals", 1, 1, "KeyError"), poison[0]])
    rows = lake.scan("dead_letters").sort("offset").collect()
    assert rows["offset"].to_list() == [0, 1, 2]
    assert rows["value"].to_list() == VALUES[:3]
    assert rows["key"].to_list() == [b"key"] * 3
    assert set(rows["topic"]) == {kafka.signals_topic}
    assert set(rows["reason"]) == {reasons.POISON}
    assert "KeyError" in rows["detail"][1]
    assert returned["offset"].to_list() == [2, 0]
    assert again["offset"].to_list() == [1, 2]


def test_poison_is_known_from_the_restart_offset_on(kafka: KafkaSettings, tmp_path: Path) -> None:
    lake = new_lake(tmp_path / "lake")
    letters(kafka, lake).store([Poison("signals", 1, offset, "KeyError") for offset in (1, 3)])
    topic = kafka.signals_topic
    assert letters(kafka, lake).known({(topic, 1): 2}) == {"signals": {(1, 3)}}
    assert letters(kafka, lake).known({(topic, 1): 0}) == {"signals": {(1, 1), (1, 3)}}
    assert letters(kafka, lake).known({(topic, 0): 0}) == {}


def test_poison_of_another_incarnation_of_the_topic_is_another_event(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    lake = new_lake(tmp_path / "lake")
    letters(kafka, lake).store([Poison("signals", 1, 1, "KeyError")])
    topic = kafka.signals_topic
    renewed = letters(kafka, lake, {topic: f"{topic}@renewed"})
    assert renewed.known({(topic, 1): 0}) == {}
    renewed.store([Poison("signals", 1, 1, "KeyError")])
    assert lake.scan("dead_letters").collect().height == 2


def test_an_offset_not_there_yet_is_missing(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poison_module, "READ_BACK_S", 2.0)
    assert read_back(kafka, [(kafka.signals_topic, 1, 99), (kafka.requests_topic, 0, 0)]) == {}


def test_a_message_that_retention_has_deleted_has_no_bytes(
    apache_kafka_settings: Make, tmp_path: Path
) -> None:
    kafka = apache_kafka_settings(partitions=2)
    apply(kafka, JoinSettings())
    send(kafka, kafka.signals_topic)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for deleted in admin.delete_records([TopicPartition(kafka.signals_topic, 1, 2)]).values():
        assert deleted.result().low_watermark == 2
    lake = new_lake(tmp_path / "lake")
    letters(kafka, lake).store([Poison("signals", 1, offset, "KeyError") for offset in (1, 2)])
    rows = lake.scan("dead_letters").sort("offset").collect()
    assert rows["value"].to_list() == [None, b"two"]
