"""Brokers that die and come back while workers read: nothing lost, nothing twice, nobody called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.apache_kafka import ApacheKafka
from tests.brokers import settings_maker
from tests.faults.process import WorkerProcess
from tests.faults.world import CHUNK, PARTITIONS, World


def checkpoints(world: World, worker: WorkerProcess, number: int) -> None:
    """Feed that many checkpoints' worth, each after the one before is stored."""
    for _ in range(number):
        done = worker.says("checkpoints")
        world.feeder.feed(CHUNK)
        worker.wait_until(lambda w, done=done: w.says("checkpoints") > done, "a checkpoint")  # type: ignore[misc]


def test_the_broker_dies_and_comes_back(own_apache_kafka: Callable[..., ApacheKafka], tmp_path: Path) -> None:
    kafka = own_apache_kafka()
    world = World(settings_maker(kafka)(partitions=PARTITIONS), tmp_path / "w")
    with world.worker() as worker:
        for crash in (True, False):
            checkpoints(world, worker, 4)
            # More than a checkpoint takes: some of it is in flight when the broker goes.
            world.feeder.feed(3 * CHUNK)
            if crash:
                kafka.kill()
                kafka.start()
            else:
                kafka.restart()
        checkpoints(world, worker, 2)
        assert worker.stop() == 0, worker.log[-3000:]
    world.finish()
    world.check()


@pytest.mark.faults
def test_a_worker_starts_while_the_broker_is_away(
    own_apache_kafka: Callable[..., ApacheKafka], tmp_path: Path
) -> None:
    kafka = own_apache_kafka()
    world = World(settings_maker(kafka)(partitions=PARTITIONS), tmp_path / "w")
    world.feeder.feed(3 * CHUNK)
    kafka.stop()
    with world.worker() as worker:
        assert worker.wait() != 0
        error = worker.status["error"]
    assert error["type"] == "BrokerUnavailable"
    assert error["hint"]
    kafka.start()
    world.finish()
    world.check()


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_every_broker_of_a_cluster_dies_in_turn(apache_kafka_cluster: ApacheKafka, tmp_path: Path) -> None:
    kafka = apache_kafka_cluster
    world = World(settings_maker(kafka)(partitions=PARTITIONS), tmp_path / "w", sessions=1_000)
    with world.worker() as one, world.worker() as two:
        for broker in (1, 2, 3):
            kafka.kill(broker)
            for _ in range(5):
                done = one.says("checkpoints") + two.says("checkpoints")
                world.feeder.feed(CHUNK)
                one.wait_until(
                    lambda w, done=done: w.says("checkpoints") + two.says("checkpoints") > done,  # type: ignore[misc]
                    "goes on with two brokers",
                )
            kafka.start()
        for worker in (one, two):
            assert worker.stop() == 0, worker.log[-3000:]
    world.finish()
    world.check()
