"""Partition p of all topics lies with one worker, whatever joins or leaves."""

from __future__ import annotations

import random

import pytest

from contracts.settings import JoinSettings
from streams.topics import apply
from tests.brokers import Make
from tests.faults.members import Member, by_partition, shared_out, wait_for

PARTITIONS = 5
MOST = 4


def change_again_and_again(make: Make, *, changes: int, seed: int, names: bool) -> None:
    """Members join and leave at random; holds after every change and in every callback on the way."""
    kafka = make(partitions=PARTITIONS)
    apply(kafka, JoinSettings())
    dice = random.Random(seed)
    members: list[Member] = []
    gone: list[Member] = []

    def join() -> None:
        # Some members have names, as in a deployment that is half-way through introducing them.
        named = names and dice.random() < 0.5
        identity = f"member-{len(members)}-{len(gone)}" if named else ""
        members.append(Member(kafka.model_copy(update={"instance_id": identity})))

    try:
        join()
        for _ in range(changes):
            wait_for(lambda: shared_out(kafka, members), "every partition has a reader")
            assert all(by_partition(kafka, member.places) for member in members)
            if len(members) == 1 or (len(members) < MOST and dice.random() < 0.5):
                join()
                if dice.random() < 0.3 and len(members) < MOST:
                    join()
            else:
                gone.append(members.pop(dice.randrange(len(members))))
                gone[-1].leave()
        wait_for(lambda: shared_out(kafka, members), "every partition has a reader")
    finally:
        for member in members:
            member.leave()
    everyone = members + gone
    assert all(by_partition(kafka, places) for member in everyone for _, places in member.moves)
    assert all(member.error is None for member in everyone)
    assert sum(len(member.moves) for member in everyone) > changes


def test_on_apache_kafka(apache_kafka_settings: Make) -> None:
    change_again_and_again(apache_kafka_settings, changes=5, seed=1, names=False)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(3))
def test_long_on_apache_kafka(apache_kafka_settings: Make, seed: int) -> None:
    change_again_and_again(apache_kafka_settings, changes=20, seed=seed, names=True)


@pytest.mark.faults
def test_on_the_embedded_broker(kafka_settings: Make) -> None:
    change_again_and_again(kafka_settings, changes=4, seed=2, names=False)
