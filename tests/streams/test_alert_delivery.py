"""Alerts leave the join at least once, whatever dies, and wait for no lake."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path

import msgspec

from contracts import topics
from contracts.settings import KafkaSettings
from sinks.lake import Lake
from streams.identity import Identity
from streams.join_worker import JoinWorker
from tests.brokers import Make
from tests.factories import request_event, signal_event
from tests.streams import lake_of_events as world


def reports(tag: str, count: int) -> list[world.Event]:
    """A request and a report of it per session."""
    events: list[world.Event] = []
    for i in range(count):
        session, request = f"{tag}-s{i}", f"{tag}-r{i}"
        made = request_event(request, session_id=session, feature=f"feature-{i % 2}")
        events.append(("requests", session.encode(), msgspec.json.encode(made)))
        report = signal_event(f"{tag}-g{i}", session_id=session, kind="report")
        events.append(("signals", session.encode(), msgspec.json.encode(report)))
    return events


def alerts(kafka: KafkaSettings, tag: str, wanted: int) -> list[dict[str, str]]:
    """Alerts of these sessions on the topic, repeats included."""
    found = [json.loads(m.value()) for m in world.consume_all(kafka, topics.ALERTS, wanted)]
    return [alert for alert in found if alert["alert_id"].startswith(tag)]


def test_every_report_is_an_alert_whatever_dies(kafka_settings: Make, tmp_path: Path) -> None:
    kafka = kafka_settings()
    world.create_topics(kafka)
    tag = kafka.group_id
    world.produce(kafka, reports(tag, 20))
    settings, lake = world.settings_for(kafka, tmp_path), Lake(tmp_path / "lake")
    lake.create()
    assert world.run_until(settings, lake, "alerts")
    assert lake.signals().collect().is_empty()
    stats = world.run(settings, lake)
    assert stats.alerts == 20
    sent = alerts(kafka, tag, 20)
    counts = Counter(alert["alert_id"] for alert in sent)
    assert counts.keys() == {f"{tag}-g{i}" for i in range(20)}
    assert max(counts.values()) <= 2
    for alert in sent:
        # A report that is read before its request knows no feature; it never knows a wrong one.
        number = int(alert["alert_id"].rpartition("-g")[2])
        assert alert.get("feature") in (None, f"feature-{number % 2}")


def test_an_alert_does_not_wait_for_the_lake(kafka_settings: Make, tmp_path: Path) -> None:
    kafka = kafka_settings()
    world.create_topics(kafka)
    tag = kafka.group_id
    settings, lake = world.settings_for(kafka, tmp_path), Lake(tmp_path / "lake")
    lake.create()
    stuck, free = threading.Event(), threading.Event()

    def hang(step: str) -> None:
        if worker.stats.consumed and step == "bronze:requests":
            stuck.set()
            free.wait(world.PATIENCE_S)

    worker = JoinWorker(settings, lake, Identity(b"key", held_out_share=0.0), on_step=hang)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        world.produce(kafka, reports(f"{tag}-first", 1))
        assert stuck.wait(world.PATIENCE_S)
        world.produce(kafka, reports(f"{tag}-then", 1))
        assert world.eventually(lambda: worker.stats.alerts == 2)
        assert world.eventually(lambda: bool(alerts(kafka, f"{tag}-then", 1)))
        assert not free.is_set()
    finally:
        free.set()
        worker.stop()
        thread.join(world.PATIENCE_S)
