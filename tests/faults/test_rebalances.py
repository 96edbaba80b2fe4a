"""Zombies and rebalances: workers pause past their session, come back, join, leave and die.

On Apache Kafka. The embedded broker takes half a session for every join and leaves a group stuck when a
member goes during its first one (docs/brokers.md), so a test of this there tests the broker.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.brokers import Make
from tests.faults.members import wait_for
from tests.faults.process import WorkerProcess, at_step
from tests.faults.world import CHUNK, PARTITIONS, World


def all_assigned(*workers: WorkerProcess) -> Callable[[], bool]:
    """Whether these workers, and no others, read every partition, each at least one."""
    return lambda: (
        all(w.says("partitions") for w in workers)
        and sum(w.says("partitions") for w in workers) == PARTITIONS
    )


def feed_until(world: World, condition: Callable[[], bool]) -> None:
    """Feed a checkpoint's worth at a time until something has happened."""

    def step() -> bool:
        if condition():
            return True
        world.feeder.feed(CHUNK // 2)
        time.sleep(0.2)
        return False

    wait_for(step, "happens while the stream goes on")


def stored(world: World, table: str) -> Counter[int]:
    """Rows of every partition in a table."""
    return Counter(world.lake.scan(table).select("partition").collect()["partition"].to_list())


def zombie_is_fenced(world: World, table: str) -> None:
    """A worker stands still right before it commits to Delta; another does its work; it wakes up."""
    with (
        world.worker(at_step(f"commit:{table}", 3, with_signal=signal.SIGSTOP)) as zombie,
        world.worker() as heir,
    ):
        feed_until(world, lambda: zombie.paused)
        held = {partition for _, partition in zombie.says("places")}
        assert held
        wait_for(all_assigned(heir), "the other takes over")
        # Writes to other partitions do not collide with the zombie's.
        before = stored(world, table)
        feed_until(world, lambda: all(stored(world, table)[p] > before[p] for p in held))
        zombie.resume()
        zombie.wait_until(lambda w: w.says("fenced"), "its commit is refused")
        feed_until(world, all_assigned(zombie, heir))
        world.feeder.feed(CHUNK)
        assert zombie.stop() == heir.stop() == 0
    world.finish()
    world.check()


def test_a_zombie_is_fenced(apache_kafka_settings: Make, tmp_path: Path) -> None:
    world = World(apache_kafka_settings(partitions=PARTITIONS), tmp_path / "w", sessions=3_000)
    zombie_is_fenced(world, "interactions")


@pytest.mark.faults
@pytest.mark.parametrize("table", ["requests", "signals", "outcomes"])
def test_a_zombie_is_fenced_in_every_table(apache_kafka_settings: Make, tmp_path: Path, table: str) -> None:
    world = World(apache_kafka_settings(partitions=PARTITIONS), tmp_path / "w", sessions=3_000)
    zombie_is_fenced(world, table)


@contextmanager
def fed(world: World) -> Iterator[None]:
    """Feed steadily in the background."""
    stop = threading.Event()

    def feed() -> None:
        while not stop.wait(0.3):
            world.feeder.feed(CHUNK // 2)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", [False, True])
def test_three_workers_join_leave_pause_and_die(
    apache_kafka_settings: Make, tmp_path: Path, names: bool
) -> None:
    world = World(apache_kafka_settings(partitions=PARTITIONS), tmp_path / "w", sessions=12_000)
    dice = random.Random(11)
    with ExitStack() as stack:

        def start(n: int) -> WorkerProcess:
            name = {"instance_id": f"worker-{n}"} if names else {}
            return stack.enter_context(world.worker(**name))

        workers = [start(n) for n in range(3)]
        wait_for(all_assigned(*workers), "three share the partitions")
        with fed(world):
            for _ in range(3):
                for what in dice.sample(["pause", "kill", "stop"], 3):
                    n = dice.randrange(3)
                    others = [w for i, w in enumerate(workers) if i != n]
                    if what == "pause":
                        workers[n].pause()
                        wait_for(all_assigned(*others), "two take over from the sleeper")
                        workers[n].resume()
                    elif what == "kill":
                        workers[n].kill()
                        workers[n] = start(n)
                    else:
                        assert workers[n].stop() == 0, workers[n].log[-3000:]
                        workers[n] = start(n)
                    wait_for(all_assigned(*workers), f"three again after {what}")
        for worker in workers:
            assert worker.stop() == 0, worker.log[-3000:]
    world.finish()
    world.check()


@pytest.mark.faults
def test_a_rolling_restart_of_named_workers_moves_nothing(
    apache_kafka_settings: Make, tmp_path: Path
) -> None:
    # A session must outlast a restart, also on a machine where that takes a while.
    kafka = apache_kafka_settings(partitions=PARTITIONS, session_timeout_ms=20_000)
    world = World(kafka, tmp_path / "w", sessions=12_000)
    with ExitStack() as stack:

        def start(n: int) -> WorkerProcess:
            return stack.enter_context(world.worker(instance_id=f"worker-{n}"))

        workers = [start(n) for n in range(3)]
        wait_for(all_assigned(*workers), "three share the partitions")
        # The status counts an assignment when its callback is through.
        for worker in workers:
            worker.wait_until(lambda w: w.says("assigned") == w.says("revoked") + 1, "settled")
        first = [w.says("places") for w in workers]
        moves = [(w.says("assigned"), w.says("revoked")) for w in workers]
        with fed(world):
            for n in range(3):
                assert workers[n].stop() == 0, workers[n].log[-3000:]
                workers[n] = start(n)
                workers[n].wait_until(lambda w: w.says("assigned"), "is back")
                now = [(w.says("assigned"), w.says("revoked")) for w in workers]
                moves[n] = now[n]
                assert now == moves
        assert [w.says("places") for w in workers] == first
        for worker in workers:
            assert worker.stop() == 0, worker.log[-3000:]
    world.finish()
    world.check()
