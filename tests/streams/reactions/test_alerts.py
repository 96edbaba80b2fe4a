"""Reports reach a webhook while their window is open; bursts are summed up; a crash loses none."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from contracts import topics
from contracts.settings import AlertSettings, JoinSettings, Settings, WebSettings
from sinks.lake import Lake
from streams.emitter import Emitter
from streams.identity import Identity
from streams.reactions.app import JOIN, REACTIONS
from tests.streams.reactions.conftest import Worker, free_port, until
from tests.streams.reactions.hook import SECRET, Hook, hooked
from tests.streams.reactions.launch import KEY
from tests.streams.reactions.launch_alerting import WEBHOOK
from tests.warm.process import WarmProcess

PER_MINUTE = 10


def committed(settings: Settings) -> int:
    """Alerts that will not be read again."""
    group = f"{settings.kafka.group_id}-reactions"
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": group})
    try:
        places = [TopicPartition(topics.ALERTS, p) for p in range(settings.kafka.partitions)]
        return sum(max(place.offset, 0) for place in consumer.committed(places, timeout=10))
    finally:
        consumer.close()


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with hooked() as served:
        yield served


@pytest.fixture(scope="module")
def settings(place: Settings) -> Settings:
    """Windows stay open for half an hour: nothing settles during these tests."""
    alerts = AlertSettings(per_minute=PER_MINUTE, timeout_seconds=5, max_retries=2, dead_letter_minimum=30)
    join = JoinSettings(horizon_minutes=30, checkpoint_seconds=0.5)
    return place.model_copy(update={"alerts": alerts, "join": join})


@pytest.fixture(scope="module")
def start_alerting(settings: Settings, hook: Hook, tmp_path_factory: Any) -> Iterator[Callable[[], Worker]]:
    """Starts workers that know the webhook; what still runs at the end is killed."""
    started: list[Worker] = []

    def launch() -> Worker:
        web = WebSettings(port=free_port())
        own = settings.model_copy(update={"web": web})
        log = tmp_path_factory.mktemp("worker") / "log"
        module = "tests.streams.reactions.launch_alerting"
        with log.open("wb") as stream:
            process = WarmProcess(
                module,
                [own.model_dump_json(), JOIN, REACTIONS],
                environment={**os.environ, WEBHOOK: hook.url},
                stdout=stream,
                stderr=stream,
            )
        started.append(Worker(process, web.port, log))
        return started[-1]

    yield launch
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()


@pytest.fixture(scope="module")
def worker(start_alerting: Callable[[], Worker]) -> Worker:
    running = start_alerting()
    until(running.ready, "ready")
    return running


@pytest.fixture(scope="module")
def emitter(place: Settings) -> Emitter:
    return Emitter(place.kafka.bootstrap_servers)


def test_a_report_arrives_while_its_window_is_open(
    worker: Worker, emitter: Emitter, settings: Settings, hook: Hook
) -> None:
    emitter.request(
        request_id="r1", session_id="s1", user_id="u1", feature="support", prompt="q", response="a"
    )
    event_id = emitter.signal(
        session_id="s1", user_id="u1", kind="report", text="private words", actor="internal"
    )
    emitter.flush()
    until(lambda: hook.accepted, "the call of the webhook")
    ((key, body),) = hook.accepted
    alert = body["alert"]
    assert key == event_id == alert["alert_id"]
    assert (body["type"], alert["kind"], alert["actor"]) == ("alert", "report", "internal")
    assert (alert["session_id"], alert["request_id"], alert["feature"]) == ("s1", None, "support")
    assert alert["user_key"] == Identity(KEY, held_out_share=0.0).user_key("u1")
    assert "private words" not in json.dumps(body)
    lake = Lake(settings.lake_root)
    assert lake.scan("interactions").collect().is_empty()
    status = worker.status()
    assert status["events"]["joined"] == 0
    assert status["reactions"]["alerts"]["latest"] == [
        {"alert_id": event_id, "kind": "report", "session_id": "s1", "request_id": None}
    ]
    metrics = worker.get("/metrics")[1]
    assert 'tailrace_alerts_total{feature="support",kind="report"} 1.0' in metrics
    assert "tailrace_join_alerts_total 1.0" in metrics


def test_a_broken_producer_is_noticed(worker: Worker, emitter: Emitter, hook: Hook) -> None:
    for i in range(40):
        emitter.send_raw(topics.REQUESTS, b"k", b'{"request_id": 5}' if i % 2 else b"{")
    emitter.flush()
    found = until(
        lambda: [b for _, b in hook.accepted if b.get("alert", {}).get("kind") == "dead_letters"],
        "the alert about dead letters",
    )
    share = found[0]["alert"]["dead_letters"]
    assert share["dead_letters"] >= 30
    assert set(share["reasons"]) == {"schema of llm.requests", "malformed_json of llm.requests"}
    letters = until(
        lambda: (
            (told := worker.status()["reactions"]["letters"])["per_minute"]
            and sum(row["count"] for row in told["by_reason"]) == 40
            and told
        ),
        "all dead letters counted",
    )
    assert letters["schema_fields"] == {"$.request_id": 20}
    until(
        lambda: 0.9 < (worker.status()["join"]["dead_letter_share"] or 0.0) <= 1, "the share of dead letters"
    )
    assert sum(letters["per_minute"]) == 40
    metrics = worker.get("/metrics")[1]
    assert 'tailrace_dead_letters_total{reason="malformed_json",topic="llm.requests"} 20.0' in metrics


def test_a_burst_is_summed_up_and_repeats_count_once(worker: Worker, emitter: Emitter, hook: Hook) -> None:
    before = len(hook.accepted)

    def report(count: int) -> None:
        for i in range(count):
            emitter.signal(event_id=f"b{i}", session_id=f"s{i % 7}", kind="report")
        emitter.flush()

    report(300)
    emitter.send_raw(topics.ALERTS, b"k", b"[]")
    emitter.flush()

    def told() -> int:
        bodies = [body for _, body in hook.accepted[before:]]
        return sum(body.get("count", 1) for body in bodies)

    until(lambda: told() >= 300, "all of them, alone or in the sum")
    report(150)
    until(lambda: worker.status()["reactions"]["alerts"]["repeated"] == 150, "the repeats")
    assert told() == 300
    assert len(hook.accepted) <= PER_MINUTE
    status = worker.status()["reactions"]
    assert status["alerts"]["waiting"] == 0
    assert status["poison"][topics.ALERTS] == 1
    assert status["alerts"]["calls"] == {"delivered": len(hook.accepted)}


def test_a_killed_worker_leaves_its_alert_to_the_next_whose_join_sends_none_again(
    worker: Worker, emitter: Emitter, hook: Hook, settings: Settings, start_alerting: Callable[[], Worker]
) -> None:
    sent = worker.status()["join"]["alerts"]
    until(lambda: committed(settings) == sent + 2, "all acknowledged, the dead letters and the poison, too")
    hook.always = "hang"
    emitter.signal(event_id="late", session_id="s1", kind="report")
    emitter.flush()
    accepted = len(hook.accepted)
    # The sum of the burst has used up this minute: the call may come a while later.
    until(lambda: worker.status()["reactions"]["alerts"]["waiting"] == 1, "the alert on its way")
    until(lambda: Lake(settings.lake_root).scan("signals").filter(event_id="late").collect().height, "stored")
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()
    hook.always = "204"
    again = start_alerting()
    until(lambda: len(hook.accepted) > accepted, "the alert, from the next worker")
    assert [(key, body["type"]) for key, body in hook.accepted[accepted:]] == [("late", "alert")]
    until(lambda: again.ready() and again.status()["join"]["held_rows"], "windows read again")
    status = again.status()
    assert status["join"]["consumed"] > 300
    assert status["join"]["alerts"] == 0
    assert again.stop() == 0
    for log in (worker.log, again.log):
        assert "Traceback" not in log.read_text()
        assert SECRET not in log.read_text()
