"""Several join processes start, stop, drain and fail as one, and leave what one process would have left."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import TerminalError
from contracts.settings import KafkaSettings, Settings
from sinks.lake import Lake
from streams.fleet import JoinFleet, make_join
from streams.identity import Identity
from streams.join_pipeline import JoinStats
from streams.join_worker import JoinWorker
from tests.streams.lake_of_events import create_topics, produce, settings_for, traffic

IDENTITY = Identity(b"key", held_out_share=0.1)


def fleet_settings(kafka: KafkaSettings, home: Path, processes: int) -> Settings:
    settings = settings_for(kafka, home)
    return settings.model_copy(update={"join": settings.join.model_copy(update={"processes": processes})})


def members() -> list[int]:
    return [p.pid for p in multiprocessing.active_children() if p.pid and p.name.startswith("tailrace-join")]


def test_a_fleet_leaves_what_one_worker_leaves(
    kafka_settings: Callable[[], KafkaSettings], tmp_path: Path
) -> None:
    kafka = kafka_settings()
    create_topics(kafka)
    sent = traffic()
    produce(kafka, sent)
    lakes = {}
    for processes in (1, 2):
        apart = kafka.model_copy(update={"group_id": f"{kafka.group_id}-{processes}"})
        settings = fleet_settings(apart, tmp_path / str(processes), processes)
        lake = lakes[processes] = Lake(settings.lake_root)
        lake.create()
        join = make_join(settings, lake, IDENTITY)
        stats = join.run(drain=True)
        assert stats.consumed == len(sent)
        assert join.settled(len(sent))
    columns = ["request_id", "failure_score", "signal_ids", "outcome_ids", "finish_class"]
    one, two = (lakes[n].interactions().select(columns).collect().sort("request_id") for n in (1, 2))
    assert one.height > 0
    assert two.equals(one)
    assert members() == []


def test_more_processes_than_partitions_still_drain(
    kafka_settings: Callable[[], KafkaSettings], tmp_path: Path
) -> None:
    kafka = kafka_settings()
    create_topics(kafka)
    sent = traffic(5)
    produce(kafka, sent)
    settings = fleet_settings(kafka, tmp_path, 3)
    lake = Lake(settings.lake_root)
    lake.create()
    assert JoinFleet(settings, lake, IDENTITY, processes=3).run(drain=True).consumed == len(sent)


def test_a_killed_member_ends_the_fleet_and_says_so(
    kafka_settings: Callable[[], KafkaSettings], tmp_path: Path
) -> None:
    kafka = kafka_settings()
    create_topics(kafka)
    settings = fleet_settings(kafka, tmp_path, 2)
    lake = Lake(settings.lake_root)
    lake.create()
    fleet = JoinFleet(settings, lake, IDENTITY, processes=2)

    def kill_one() -> None:
        while not members():
            time.sleep(0.05)
        os.kill(members()[0], signal.SIGKILL)

    threading.Thread(target=kill_one).start()
    with pytest.raises(TerminalError, match="exit code -9"):
        fleet.run()
    assert members() == []


def test_an_error_in_a_member_surfaces_with_its_hint(
    kafka_settings: Callable[[], KafkaSettings], tmp_path: Path
) -> None:
    kafka = kafka_settings()
    settings = fleet_settings(kafka, tmp_path, 2)  # its topics do not exist
    lake = Lake(settings.lake_root)
    lake.create()
    with pytest.raises(TerminalError) as caught:
        JoinFleet(settings, lake, IDENTITY, processes=2).run(drain=True)
    assert caught.value.hint
    assert members() == []


def test_a_stopped_fleet_ends_cleanly(kafka_settings: Callable[[], KafkaSettings], tmp_path: Path) -> None:
    kafka = kafka_settings()
    create_topics(kafka)
    settings = fleet_settings(kafka, tmp_path, 2)
    lake = Lake(settings.lake_root)
    lake.create()
    fleet = JoinFleet(settings, lake, IDENTITY, processes=2)
    runner = threading.Thread(target=fleet.run)
    runner.start()
    while len(members()) < 2:
        time.sleep(0.05)
    fleet.stop()
    runner.join(60)
    assert not runner.is_alive()
    assert members() == []


def test_one_process_needs_no_fleet(kafka_settings: Callable[[], KafkaSettings], tmp_path: Path) -> None:
    kafka = kafka_settings()
    create_topics(kafka)
    settings = fleet_settings(kafka, tmp_path, 1)
    worker = make_join(settings, Lake(settings.lake_root), IDENTITY)
    assert isinstance(worker, JoinWorker)
    worker.stop()
    worker.run()


def test_an_identity_hashes_the_same_in_another_process() -> None:
    copy = pickle.loads(pickle.dumps(IDENTITY))
    assert copy.user_key("u1") == IDENTITY.user_key("u1")
    assert copy.split("u1") == IDENTITY.split("u1")


def test_the_stats_of_members_add_up() -> None:
    parts = [
        JoinStats(consumed=3, lag=1, watermarks={0: 10}, problem=""),
        JoinStats(consumed=4, lag=2, watermarks={1: 7}, problem="the lake is down"),
    ]
    total = JoinStats.total(parts)
    assert (total.consumed, total.lag, total.watermark_us, total.problem) == (7, 3, 7, "the lake is down")
    watched = JoinStats()
    watched.assign(total)
    assert watched == total
