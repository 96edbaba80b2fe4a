"""SIGKILL at every step of the checkpoint protocol and at random moments: nothing lost, nothing twice."""

from __future__ import annotations

import random
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from contracts.settings import KafkaSettings
from tests.brokers import Make
from tests.faults.process import after, at_step
from tests.faults.world import CHUNK, PARTITIONS, World

STEPS = (
    "bronze:requests",
    "bronze:signals",
    "bronze:outcomes",
    "bronze:consents",
    "bronze:dead_letters",
    "append:interactions",
    "commit:requests",
    "commit:interactions",
    "outputs",
    "interactions",
    "offsets",
)
"""The steps of the protocol, and the moments before Delta writes and commits."""

Fault = Mapping[str, Any]


def live_through(
    kafka: KafkaSettings, home: Path, faults: Sequence[Fault], *, static: bool, seed: int
) -> int:
    """Run worker after worker on one stream, each until its fault ends it; returns how many were killed.

    The stream is fed a little at a time, so that checkpoints are many and small. `static`: the workers
    are one static member, so that each takes over at once; else the group waits for the dead one's
    session to end.
    """
    world = World(kafka, home, sessions=300 + 300 * len(faults), seed=seed)
    name = {"instance_id": "the-worker"} if static else {}
    killed = 0
    for fault in faults:
        with world.worker(fault, **name) as worker:
            worker.wait_until(lambda w: w.says("partitions") == PARTITIONS or w.code is not None, "assigned")
            while worker.code is None:
                done = worker.says("checkpoints")
                world.feeder.feed(CHUNK)
                worker.wait_until(
                    lambda w, done=done: w.code is not None or w.says("checkpoints") > done, "goes on"
                )
            assert worker.code == -signal.SIGKILL, worker.log[-3000:]
            killed += 1
    world.finish(**name)
    world.check()
    return killed


def side_by_side(make: Make, home: Path, lanes: Sequence[tuple[Sequence[Fault], bool]]) -> int:
    """Run several streams at once: most of the time goes into starting processes and joining groups."""
    for number in range(len(lanes)):
        (home / f"lane-{number}").mkdir()

    def run(number: int) -> int:
        faults, static = lanes[number]
        kafka = make(partitions=PARTITIONS)
        return live_through(kafka, home / f"lane-{number}", faults, static=static, seed=number + 1)

    with ThreadPoolExecutor(len(lanes)) as pool:
        return sum(pool.map(run, range(len(lanes))))


def test_workers_killed_at_every_step(apache_kafka_settings: Make, tmp_path: Path) -> None:
    """The short form: one kill for every step, by static members."""
    faults = [at_step(step, 2) for step in STEPS]
    lanes = [(faults[0::2], True), (faults[1::2], True)]
    assert side_by_side(apache_kafka_settings, tmp_path, lanes) == len(STEPS)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_fifty_kills(apache_kafka_settings: Make, tmp_path: Path) -> None:
    """Every step at its first and third time, and random moments; static and dynamic members."""
    dice = random.Random(3)
    faults = [at_step(step, occurrence) for step in STEPS for occurrence in (1, 3)]
    faults += [after(dice.uniform(0.0, 1.5)) for _ in range(34)]
    dice.shuffle(faults)
    lanes = [(faults[0:18], True), (faults[18:36], True), (faults[36:48], False), (faults[48:], True)]
    assert side_by_side(apache_kafka_settings, tmp_path, lanes) == len(faults) >= 50


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_kills_on_the_embedded_broker(kafka_settings: Make, tmp_path: Path) -> None:
    """The same on Tansu, without static members."""
    lanes = [([at_step(STEPS[0]), after(0.4)], False), ([at_step("interactions", 2)], False)]
    assert side_by_side(kafka_settings, tmp_path, lanes) == 3
