"""The join worker on both engines: everything stored, exactly once, whatever repeats."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from contracts import reasons, topics
from contracts.settings import KafkaSettings
from sinks.lake import Lake
from streams import join_worker
from streams.join_worker import JoinStats
from tests.brokers import Broker
from tests.streams import lake_of_events as world

STEPS = ["bronze:requests", "bronze:signals", "bronze:dead_letters", "outputs", "interactions", "offsets"]


class Run:
    """Traffic on fresh topics and a lake that one undisturbed worker has filled."""

    def __init__(self, kafka: KafkaSettings, home: Path) -> None:
        self.kafka = kafka
        self.events = world.traffic()
        world.create_topics(kafka)
        world.produce(kafka, self.events)
        self.settings = world.settings_for(kafka, home)
        self.lake = Lake(home / "lake")
        self.lake.create()
        self.stats: JoinStats = world.run(self.settings, self.lake)
        self.contents = world.contents(self.lake)

    def values(self, kind: str) -> list[dict[str, object]]:
        return [json.loads(v) for k, _, v in self.events if k == kind and v and v.startswith(b'{"')]


@pytest.fixture(scope="module")
def undisturbed(any_broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Run:
    tag = tmp_path_factory.mktemp("join")
    kafka = KafkaSettings(
        bootstrap_servers=any_broker.bootstrap_servers,
        group_id=tag.name,
        session_timeout_ms=6000,
        **{
            f"{kind}_topic": f"{kind}-undisturbed" for kind in ("requests", "signals", "outcomes", "consents")
        },
    )
    return Run(kafka, tag)


def test_every_message_is_a_bronze_row_or_a_dead_letter(undisturbed: Run) -> None:
    stored = sum(frame.height for name, frame in undisturbed.contents.items() if name != "interactions")
    assert stored == len(undisturbed.events) == undisturbed.stats.consumed
    for frame in undisturbed.contents.values():
        if "offset" in frame.columns:
            keys = ["topic", "partition", "offset"] if "topic" in frame.columns else ["partition", "offset"]
            assert frame.select(keys).is_duplicated().sum() == 0


def test_every_request_has_exactly_one_interaction(undisturbed: Run) -> None:
    wanted = {event["request_id"] for event in undisturbed.values("requests")}
    rows = undisturbed.contents["interactions"]
    assert rows.height == len(wanted) == undisturbed.stats.interactions
    assert set(rows["request_id"]) == wanted
    assert rows["late"].sum() == 0


def test_repeats_are_marked_and_counted(undisturbed: Run) -> None:
    bronze = [undisturbed.contents[name] for name in ("requests", "signals", "outcomes")]
    repeats = sum(frame["duplicate"].sum() for frame in bronze)
    wanted = sum(
        len(values) - len({event["event_id"] for event in values})
        for values in map(undisturbed.values, ("requests", "signals", "outcomes"))
    )
    # The one dead-lettered JSON signal is no row.
    assert repeats == wanted == undisturbed.stats.duplicates
    assert undisturbed.lake.signals().collect()["event_id"].is_duplicated().sum() == 0


def test_evidence_lands_on_the_right_request(undisturbed: Run) -> None:
    rows = undisturbed.contents["interactions"]
    for request, signals, outcomes in rows.select("request_id", "signal_ids", "outcome_ids").iter_rows():
        assert (signals, outcomes) == ([f"{request}-g"], [f"{request}-o"])
    assert not rows["signal_ids"].explode().is_in(["orphan"]).any()


def test_dead_letters_keep_the_bytes_and_say_why(undisturbed: Run) -> None:
    rows = undisturbed.contents["dead_letters"]
    assert sorted(rows["reason"]) == sorted(
        [reasons.MALFORMED_JSON] * 2
        + [reasons.INVALID_UTF8, reasons.SCHEMA, reasons.TIME_RANGE, reasons.TOMBSTONE]
    )
    assert set(rows["value"]) >= {b"{", b"", b"\xff", b"[]", None}
    assert undisturbed.stats.dead_letters == 6


def test_every_interaction_and_every_failure_is_announced(undisturbed: Run) -> None:
    rows = undisturbed.contents["interactions"]
    wanted = {(request, 1) for request in rows["request_id"]}
    joined = world.consume_all(undisturbed.kafka, topics.INTERACTIONS, len(wanted))
    values = [json.loads(m.value()) for m in joined]
    assert all(m.key().decode() == v["session_id"] for m, v in zip(joined, values, strict=True))
    assert wanted <= {(v["request_id"], v["revision"]) for v in values}
    failed = set(rows.filter(pl.col("failure_score") >= 0.5)["request_id"])
    assert 0 < len(failed) == undisturbed.stats.failures
    failures = world.consume_all(undisturbed.kafka, topics.FAILURES, len(failed))
    announced = {json.loads(m.value())["request_id"] for m in failures}
    assert announced & set(rows["request_id"]) == failed


def test_dead_letters_on_the_topic_name_their_origin(undisturbed: Run) -> None:
    topic = undisturbed.kafka.signals_topic
    found = [
        world.headers(m) | {"value": m.value()}
        for m in world.consume_all(undisturbed.kafka, topics.DEAD_LETTERS, 6)
        if world.headers(m)["tailrace.topic"] == topic.encode()
    ]
    rows = undisturbed.contents["dead_letters"].filter(topic=topic)
    assert {f["tailrace.id"].decode() for f in found} == {
        f"{topic}/{p}/{o}" for p, o in rows.select("partition", "offset").iter_rows()
    }
    assert {(f["tailrace.reason"].decode(), f["value"] or b"") for f in found} == {
        (reason, value or b"") for reason, value in rows.select("reason", "value").iter_rows()
    }


def test_running_again_adds_nothing(undisturbed: Run) -> None:
    versions = {name: undisturbed.lake.version(name) for name in undisturbed.contents}
    stats = world.run(undisturbed.settings, undisturbed.lake)
    assert stats.interactions == stats.dead_letters == 0
    assert {name: undisturbed.lake.version(name) for name in undisturbed.contents} == versions


def test_reading_everything_again_in_another_group_adds_nothing(undisturbed: Run) -> None:
    kafka = undisturbed.kafka.model_copy(update={"group_id": f"{undisturbed.kafka.group_id}-again"})
    stats = world.run(undisturbed.settings.model_copy(update={"kafka": kafka}), undisturbed.lake)
    assert stats.consumed == len(undisturbed.events)
    after = world.contents(undisturbed.lake)
    assert {name for name, frame in after.items() if not frame.equals(undisturbed.contents[name])} == set()


def test_a_worker_that_dies_after_any_step_leaves_no_trace(
    undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_worker, "POLL_MESSAGES", 40)

    def differing(step: str) -> set[str]:
        home = tmp_path / step.replace(":", "-")
        kafka = undisturbed.kafka.model_copy(update={"group_id": f"{undisturbed.kafka.group_id}-{home.name}"})
        settings, lake = world.settings_for(kafka, home), Lake(home / "lake")
        lake.create()
        assert world.run_until(settings, lake, step, occurrence=2)
        world.run(settings, lake)
        after = world.contents(lake)
        return {name for name, frame in after.items() if not frame.equals(undisturbed.contents[name])}

    # Side by side: most of the time goes into joining the group.
    with ThreadPoolExecutor(len(STEPS)) as pool:
        assert dict(zip(STEPS, pool.map(differing, STEPS), strict=True)) == {step: set() for step in STEPS}
