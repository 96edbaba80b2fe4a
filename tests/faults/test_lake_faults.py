"""The lake away, full or damaged: the worker waits or says what to do, and loses nothing.

On Apache Kafka; nothing here depends on the broker.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from curation.settle import settle
from sinks.lake_errors import LakeDamaged
from tests.brokers import Make
from tests.faults.members import input_topics, wait_for
from tests.faults.process import FAILED, WorkerProcess, at_step
from tests.faults.traffic import HORIZON_S
from tests.faults.world import CHUNK, PARTITIONS, World

FLOOD = 4_000
"""Events sent while the lake cannot be written."""
MAY_HOLD = 1_200
"""What a worker may take in meanwhile: two micro-batches (400 events here) and some polls."""


@pytest.fixture
def kafka_world(apache_kafka_settings: Make, tmp_path: Path) -> Callable[[], World]:
    return lambda: World(apache_kafka_settings(partitions=PARTITIONS), tmp_path / "w", sessions=2_000)


@contextmanager
def working(world: World) -> Iterator[WorkerProcess]:
    """A worker that has stored interactions and polls a little at a time."""
    with WorkerProcess(world.settings(), join_worker={"POLL_MESSAGES": 100}) as worker:
        feed(world, worker)
        yield worker


def feed(world: World, worker: WorkerProcess) -> None:
    """A checkpoint's worth at a time, until interactions were stored."""
    for _ in range(5):
        done = worker.says("checkpoints")
        world.feeder.feed(CHUNK)
        worker.wait_until(lambda w, done=done: w.says("checkpoints") > done, "a checkpoint")  # type: ignore[misc]
    assert worker.says("interactions")


def holds_on(world: World, worker: WorkerProcess, complaint: str, *, seconds: float = 2.0) -> None:
    """With the lake broken the worker says so, reads no further than its bound, and lives on."""
    before = worker.says("consumed")
    world.feeder.feed(FLOOD)
    worker.wait_until(lambda w: complaint in w.says("problem", ""), f"says {complaint!r}")
    wait_for(lambda: resting(worker), "reads no further")
    time.sleep(seconds)
    assert worker.code is None
    assert worker.says("consumed") - before <= MAY_HOLD < FLOOD
    assert complaint in worker.log


def recovers(world: World, worker: WorkerProcess) -> None:
    """With the lake mended the worker goes on by itself; nothing is lost or repeated."""
    worker.wait_until(lambda w: not w.says("problem", ""), "recovers by itself")
    worker.wait_until(lambda w: w.says("consumed") >= world.feeder.sent, "reads on")
    assert worker.stop() == 0, worker.log[-3000:]
    world.finish()
    world.check()


def resting(worker: WorkerProcess) -> bool:
    """Whether nothing is read for a second."""
    before = worker.says("consumed")
    time.sleep(1.0)
    return bool(worker.says("consumed") == before)


def away(world: World, worker: WorkerProcess, *, seconds: float) -> None:
    """The lake's folder vanishes, as when its disk is unmounted, and comes back."""
    root, elsewhere = Path(world.lake.root), world.home / "elsewhere"
    root.rename(elsewhere)
    holds_on(world, worker, "is not there", seconds=seconds)
    # A write on its way when the folder vanished may have left a stray file in a new one.
    shutil.rmtree(root, ignore_errors=True)
    elsewhere.rename(root)


def test_a_lake_that_vanishes_for_some_seconds(kafka_world: Callable[[], World]) -> None:
    world = kafka_world()
    with working(world) as worker:
        away(world, worker, seconds=2)
        recovers(world, worker)


@pytest.mark.faults
def test_a_lake_that_vanishes_for_a_minute(kafka_world: Callable[[], World]) -> None:
    world = kafka_world()
    with working(world) as worker:
        away(world, worker, seconds=60)
        recovers(world, worker)


@pytest.mark.faults
def test_a_worker_stops_when_told_while_the_lake_is_away(kafka_world: Callable[[], World]) -> None:
    world = kafka_world()
    with working(world) as worker:
        root, elsewhere = Path(world.lake.root), world.home / "elsewhere"
        root.rename(elsewhere)
        holds_on(world, worker, "is not there")
        assert worker.stop() == 0, worker.log[-3000:]
        shutil.rmtree(root, ignore_errors=True)
        elsewhere.rename(root)
    world.finish()
    world.check()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB where the world keeps its lake."""
    folder = tmp_path / "w" / "lake"
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip(
            "no small file system can be mounted here: needs root (a file size limit is tested anyway)"
        )
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    with suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)
    assert shutil.disk_usage(path).free == 0


@pytest.mark.faults
def test_a_full_disk(small_disk: Path, kafka_world: Callable[[], World]) -> None:
    world = kafka_world()
    with working(world) as worker:
        filler = small_disk / "filler"
        fill(filler)
        holds_on(world, worker, "No space left on device")
        filler.unlink()
        recovers(world, worker)


@pytest.mark.faults
def test_files_that_cannot_grow(kafka_world: Callable[[], World]) -> None:
    world = kafka_world()
    with working(world) as worker:
        unlimited = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (16_384, unlimited[1]))
        world.feeder.feed(FLOOD)
        worker.wait_until(lambda w: "File too large" in w.says("problem", ""), "says why")
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, unlimited)
        recovers(world, worker)


def test_a_damaged_file_stops_the_worker_with_a_hint(kafka_world: Callable[[], World]) -> None:
    world = kafka_world()
    # Killed before its offsets were committed: the next worker must read what was joined last.
    with world.worker(at_step("interactions", 3)) as worker:
        while worker.code is None:
            done = worker.says("checkpoints")
            world.feeder.feed(CHUNK)
            worker.wait_until(
                lambda w, done=done: w.code is not None or w.says("checkpoints") > done, "goes on"
            )  # type: ignore[misc]
    files = {Path(uri): Path(uri).read_bytes() for uri in world.lake.table("interactions").file_uris()}
    before = committed(world)
    for cut in (True, False):
        for file, good in files.items():
            file.write_bytes(good[: len(good) // 2] if cut else bytes(len(good)))
        with world.worker() as worker:
            assert worker.wait() == FAILED
            error = worker.status["error"]
        assert error["type"] == LakeDamaged.__name__
        assert any(file.name in error["message"] for file in files)
        assert "backup" in error["hint"]
    with pytest.raises(LakeDamaged):
        settle(world.lake, horizon_us=round(HORIZON_S * 1_000_000), now_us=1)
    assert committed(world) == before
    for file, good in files.items():
        file.write_bytes(good)
    world.finish()
    world.check()


def committed(world: World) -> dict[tuple[str, int], int]:
    """Offsets the join's group has committed."""
    consumer = Consumer(
        {"bootstrap.servers": world.kafka.bootstrap_servers, "group.id": f"{world.kafka.group_id}-join"}
    )
    places = [TopicPartition(t, p) for t in input_topics(world.kafka) for p in range(PARTITIONS)]
    try:
        return {(p.topic, p.partition): p.offset for p in consumer.committed(places, timeout=30)}
    finally:
        consumer.close()
