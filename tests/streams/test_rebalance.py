"""Workers that join and leave a group share the partitions; every event is stored once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from contracts.settings import JoinSettings, KafkaSettings, Settings
from sinks.accounting import account
from streams.emitter import Emitter
from streams.identity import Identity
from streams.join_worker import JoinWorker
from streams.topics import apply
from tests.lakes import new_lake

DEADLINE_S = 60.0
PARTITIONS = 4


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.1)


def send(kafka: KafkaSettings, first: int, count: int) -> int:
    with Emitter(settings=kafka) as emitter:
        for n in range(first, first + count):
            request = f"request-{n}"
            emitter.request(request_id=request, session_id=f"session-{n}", feature="search")
            emitter.signal(session_id=f"session-{n}", request_id=request, kind="copy")
    return 2 * count


def test_workers_join_and_leave(any_kafka_settings: Callable[..., KafkaSettings], tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        kafka=any_kafka_settings(partitions=PARTITIONS),
        join=JoinSettings(idle_seconds=1, checkpoint_seconds=0.5),
    )
    apply(settings.kafka, settings.join)
    lake = new_lake(tmp_path / "lake")
    threads: list[threading.Thread] = []
    workers: list[JoinWorker] = []

    def start() -> JoinWorker:
        worker = JoinWorker(settings, lake, Identity(b"key", held_out_share=0))
        threads.append(threading.Thread(target=worker.run, daemon=True))
        workers.append(worker)
        threads[-1].start()
        return worker

    def stored() -> int:
        return account(lake, horizon_us=settings.join.horizon_us).consumed

    try:
        one = start()
        sent = send(settings.kafka, 0, 50)
        wait_for(lambda: stored() == sent, "one worker stores everything")
        two = start()
        wait_for(lambda: one.stats.partitions == two.stats.partitions == PARTITIONS // 2, "an even share")
        sent += send(settings.kafka, 50, 50)
        wait_for(lambda: stored() == sent, "two workers store everything")
        one.stop()
        wait_for(lambda: two.stats.partitions == PARTITIONS, "the second takes over")
        sent += send(settings.kafka, 100, 50)
        wait_for(lambda: stored() == sent, "the second stores everything")
    finally:
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join(DEADLINE_S)
    assert not any(thread.is_alive() for thread in threads)
    requests = lake.scan("requests").collect()
    assert requests.height == 150
    assert not requests["request_id"].is_duplicated().any()
    assert not lake.scan("signals").collect()["event_id"].is_duplicated().any()
