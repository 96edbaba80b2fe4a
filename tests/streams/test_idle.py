"""Topics and partitions without events hold no window open; old events that come after all are only late."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import polars as pl

from contracts.settings import KafkaSettings
from curation.settle import settle
from sinks.accounting import Accounting, account
from sinks.lake import Lake
from streams.identity import Identity
from streams.join_worker import JoinWorker
from streams.partitioner import partition_of
from tests.factories import MINUTE, outcome_event, request_event, signal_event
from tests.streams import lake_of_events as world


def session_on(partition: int) -> str:
    """A session whose key goes to that partition."""
    names = (f"session-{n}" for n in itertools.count())
    return next(n for n in names if partition_of(n.encode(), world.PARTITIONS) == partition)


def request(session: str, minute: int) -> world.Event:
    event = request_event(f"{session}-{minute}", seconds=60 * minute, session_id=session)
    return "requests", session.encode(), msgspec.json.encode(event)


def signal(session: str, minute: int, name: str = "g") -> world.Event:
    event = signal_event(f"{name}-{session}-{minute}", seconds=60 * minute + 1, session_id=session)
    return "signals", session.encode(), msgspec.json.encode(event)


def outcome(session: str, minute: int) -> world.Event:
    event = outcome_event(f"o-{session}-{minute}", seconds=60 * minute + 2, session_id=session)
    return "outcomes", session.encode(), msgspec.json.encode(event)


@contextmanager
def running(kafka: KafkaSettings, home: Path) -> Iterator[Lake]:
    """A worker at work, and its lake."""
    world.create_topics(kafka)
    lake = Lake(home / "lake")
    lake.create()
    worker = JoinWorker(world.settings_for(kafka, home), lake, Identity(b"key", held_out_share=0))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield lake
    finally:
        worker.stop()
        thread.join(world.PATIENCE_S)
        assert not thread.is_alive()


def settled(lake: Lake) -> set[str]:
    return set(lake.interactions().select("request_id").collect()["request_id"])


def stored(lake: Lake, kind: str) -> int:
    return int(lake.scan(kind).select(pl.len()).collect().item())


def adds_up(lake: Lake) -> Accounting:
    return account(lake, horizon_us=MINUTE)


def test_silent_topics_and_partitions_hold_no_window_open(
    kafka_settings: Callable[..., KafkaSettings], tmp_path: Path
) -> None:
    kafka, busy, silent = kafka_settings(), session_on(0), session_on(1)
    with running(kafka, tmp_path) as lake:
        # One request on a partition where nothing else ever comes; no outcome anywhere.
        world.produce(kafka, [request(silent, 0)])
        minutes = itertools.count()
        flowing = threading.Event()

        def flow() -> None:
            while not flowing.wait(0.1):
                minute = next(minutes)
                world.produce(kafka, [request(busy, minute), signal(busy, minute)])

        producer = threading.Thread(target=flow)
        producer.start()
        try:
            # While requests and signals keep coming it is event time that closes windows, not silence.
            assert world.eventually(lambda: {f"{busy}-{m}" for m in range(20)} <= settled(lake))
            assert world.eventually(lambda: f"{silent}-0" in settled(lake))
            assert len(settled(lake)) < stored(lake, "requests")
        finally:
            flowing.set()
            producer.join()
        sent = 1 + 2 * next(minutes)
        assert world.eventually(lambda: adds_up(lake).consumed == sent)
        # With everything silent the clock closes the last ones.
        assert world.eventually(lambda: adds_up(lake).pending == 0)
        rows = lake.interactions().collect()
        assert set(rows["outcome_count"]) == {0}
        assert rows.filter(pl.col("session_id") == busy)["signal_ids"].list.len().unique().to_list() == [1]

        # Both wake up with what is old news by now.
        old = [outcome(busy, 3), outcome(silent, 0), signal(silent, 0), signal(silent, 0, "orphan")]
        world.produce(kafka, [*old[:3], ("signals", b"nobody", signal("nobody", 1)[2])])
        assert world.eventually(lambda: adds_up(lake).consumed == sent + 4)
        found = adds_up(lake)
        assert (found.late, found.joined) == (3, sent)
        report = settle(lake, horizon_us=MINUTE, now_us=time.time_ns() // 1000)
        assert (report.late_events, report.revised) == (3, 2)
        assert adds_up(lake).late == 0
        assert adds_up(lake).joined == sent + 3
        current = lake.interactions().collect()
        (amended,) = current.filter(pl.col("request_id") == f"{silent}-0").to_dicts()
        assert (amended["signal_ids"], amended["outcome_ids"]) == (
            [f"g-{silent}-0"],
            [f"o-{silent}-0"],
        )


def test_a_request_from_long_ago_after_silence_settles_at_once(
    kafka_settings: Callable[..., KafkaSettings], tmp_path: Path
) -> None:
    kafka, session = kafka_settings(), session_on(0)
    with running(kafka, tmp_path) as lake:
        world.produce(kafka, [signal(session, 0), outcome(session, 0)])
        assert world.eventually(lambda: adds_up(lake).consumed == 2)
        world.produce(kafka, [request(session, 0)])
        assert world.eventually(lambda: f"{session}-0" in settled(lake))
        settle(lake, horizon_us=MINUTE, now_us=time.time_ns() // 1000)
        (row,) = lake.interactions().collect().to_dicts()
        assert (row["signal_ids"], row["outcome_ids"]) == ([f"g-{session}-0"], [f"o-{session}-0"])
        assert adds_up(lake).as_dict()["joined"] == 3
