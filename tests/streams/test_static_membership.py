"""Static membership on Apache Kafka: a rolling restart moves nothing; a twin is refused.

Not on the embedded broker: there a restarted member waits for a group join like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import ValidationError

from contracts.errors import TerminalError
from contracts.settings import JoinSettings, KafkaSettings
from streams.topics import apply
from tests.brokers import Make
from tests.faults.members import Member, by_partition, shared_out, wait_for

NAMES = ("worker-a", "worker-b", "worker-c")


@pytest.fixture
def kafka(apache_kafka_settings: Make) -> KafkaSettings:
    settings: KafkaSettings = apache_kafka_settings(partitions=6)
    apply(settings, JoinSettings())
    return settings


@contextmanager
def group(kafka: KafkaSettings, names: tuple[str, ...]) -> Iterator[list[Member]]:
    """A group that has shared out its partitions."""
    members = [Member(kafka.model_copy(update={"instance_id": name})) for name in names]
    try:
        wait_for(lambda: shared_out(kafka, members), "every partition has a reader")
        yield members
    finally:
        for member in members:
            member.leave()


def test_a_rolling_restart_moves_nothing(kafka: KafkaSettings) -> None:
    with group(kafka, NAMES) as members:
        before = [member.places for member in members]
        moves = [len(member.moves) for member in members]
        assert all(by_partition(kafka, places) for places in before)
        for n, name in enumerate(NAMES):
            members[n].leave()
            members[n] = Member(kafka.model_copy(update={"instance_id": name}))
            wait_for(lambda n=n: bool(members[n].places), f"{name} is back")  # type: ignore[misc]
            moves[n] = 1
        assert [member.places for member in members] == before
        assert [len(member.moves) for member in members] == moves
        assert all(member.error is None for member in members)


def test_without_names_a_restart_moves_partitions(kafka: KafkaSettings) -> None:
    with group(kafka, ("", "")) as members:
        moves = len(members[0].moves)
        members[1].leave()
        wait_for(lambda: shared_out(kafka, members[:1]), "the other takes over")
        assert len(members[0].moves) > moves


def test_a_second_process_of_the_same_name_ends_the_first(kafka: KafkaSettings) -> None:
    with group(kafka, NAMES[:1]) as members:
        members.append(Member(kafka.model_copy(update={"instance_id": NAMES[0]})))
        wait_for(lambda: members[0].error is not None, "the first one is fenced")
        error = members[0].error
        assert isinstance(error, TerminalError)
        assert "instance_id" in str(error)
        assert "TAILRACE_KAFKA__INSTANCE_ID" in (error.hint or "")
        wait_for(lambda: shared_out(kafka, members[1:]), "the second one works")
        assert members[1].error is None


def test_a_name_is_what_kafka_takes_for_one() -> None:
    with pytest.raises(ValidationError):
        KafkaSettings(instance_id="worker 1")
