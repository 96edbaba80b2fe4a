"""What Faust would lose or repeat if one let it: kills, exceptions and repeats on a real broker.

One story, in order: a worker hangs in its first batch and is killed; the next one meets the batch again, an
event that breaks it, and events twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts import topics
from contracts.settings import Settings
from sinks.lake import Lake
from streams.emitter import Emitter
from streams.reactions.app import REACTIONS
from tests.streams.reactions.conftest import Worker, until
from tests.streams.reactions.failing import stored_failures

IN_FLIGHT = [f"flight{n}" for n in range(4)]
BEHIND = [f"behind{n}" for n in range(4)]
BAD, AFTER, LAST = "bad", "after", "last"

COMMIT_INTERVAL_S = 2.8
"""How often Faust commits (its default, `broker_commit_interval`)."""


@pytest.fixture(scope="module")
def values(place: Settings) -> dict[str, bytes]:
    names = [*IN_FLIGHT, *BEHIND, BAD, AFTER, LAST]
    return stored_failures(Lake(place.lake_root), {name: f"order {name} is lost" for name in names})


@pytest.fixture(scope="module")
def send(place: Settings, values: dict[str, bytes]) -> Iterator[Callable[..., None]]:
    """Sends failures by name."""
    with Emitter(place.kafka.bootstrap_servers) as emitter:

        def put(*names: str) -> None:
            for name in names:
                emitter.send_raw(topics.FAILURES, name.encode(), values[name])
            emitter.flush()

        yield put


@pytest.fixture(scope="module")
def hanging(
    start: Callable[..., Worker], send: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Worker:
    """A worker that hangs with a batch taken, and more events behind it."""
    mark = tmp_path_factory.mktemp("hang") / "hanging"
    send(*IN_FLIGHT)
    worker = start(REACTIONS, fault=f"hang-judging:{mark}")
    until(mark.exists, "a batch is being judged")
    send(*BEHIND)
    return worker


@pytest.fixture(scope="module")
def last_mark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Appears when a worker hangs with `LAST`."""
    return tmp_path_factory.mktemp("last") / "hanging"


@pytest.fixture(scope="module")
def next_worker(hanging: Worker, start: Callable[..., Worker], last_mark: Path) -> Worker:
    hanging.process.kill()
    hanging.process.wait()
    return start(REACTIONS, fault=f"bad-request:{BAD};hang-request:{LAST}:{last_mark}")


def judged(place: Settings) -> Counter[str]:
    return Counter(Lake(place.lake_root).scan("judgments").collect()["request_id"].to_list())


@cache
def _admin(bootstrap_servers: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap_servers})


def committed(place: Settings) -> dict[int, int]:
    """Offsets the reactions have committed on the failures, by partition."""
    group = f"{place.kafka.group_id}-reactions"
    wanted = [TopicPartition(topics.FAILURES, p) for p in range(place.kafka.partitions)]
    answer = _admin(place.kafka.bootstrap_servers).list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, wanted)]
    )
    found = answer[group].result(20).topic_partitions
    return {place.partition: place.offset for place in found if place.offset > 0}


def dead_letters(place: Settings) -> list[tuple[bytes, bytes]]:
    """Value and reason of everything on the dead-letter topic."""
    consumer = Consumer({"bootstrap.servers": place.kafka.bootstrap_servers, "group.id": "letters-test"})
    consumer.assign([TopicPartition(topics.DEAD_LETTERS, p, OFFSET_BEGINNING) for p in range(2)])
    found: list[tuple[bytes, bytes]] = []
    try:
        while (message := consumer.poll(0.5 if found else 20)) is not None:
            headers = dict(message.headers() or [])
            found.append((bytes(message.value() or b""), bytes(headers["tailrace.reason"])))
    finally:
        consumer.close()
    return found


def test_commits_never_pass_events_in_flight(hanging: Worker, place: Settings) -> None:
    end = time.monotonic() + COMMIT_INTERVAL_S + 0.5
    while time.monotonic() < end:
        assert committed(place) == {}
        time.sleep(0.5)
    assert judged(place) == {}


def test_a_batch_whose_worker_was_killed_is_judged_by_the_next(next_worker: Worker, place: Settings) -> None:
    until(lambda: judged(place).keys() >= {*IN_FLIGHT, *BEHIND}, "everything judged")
    assert set(judged(place).values()) == {1}


def test_an_exception_in_an_agent_dead_letters_that_event_alone(
    next_worker: Worker, send: Callable[..., None], values: dict[str, bytes], place: Settings
) -> None:
    send(BAD, AFTER)
    until(lambda: AFTER in judged(place), "the event behind")
    until(
        lambda: next_worker.status()["reactions"]["dead_letters"].get("poison") == 1,
        "the dead letter counted",
    )
    assert dead_letters(place) == [(values[BAD], b"poison")]
    assert BAD not in judged(place)
    assert next_worker.ready()


def test_a_failure_delivered_twice_is_judged_once(
    next_worker: Worker, send: Callable[..., None], place: Settings
) -> None:
    def verdicts() -> int:
        seen = next_worker.status()["reactions"]
        return sum(seen["verdicts"].values()) + sum(seen["unjudged"].values())

    before = verdicts()
    send(AFTER, *IN_FLIGHT, AFTER)
    until(lambda: verdicts() >= before + 5, "the repeats taken in")
    assert judged(place) == Counter([*IN_FLIGHT, *BEHIND, AFTER])


def test_no_topic_of_the_frameworks_own_has_its_default_shape(next_worker: Worker, place: Settings) -> None:
    admin = _admin(place.kafka.bootstrap_servers)
    shapes = {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=20).topics.items()}
    own = {
        name: count for name, count in shapes.items() if name.startswith(f"{place.kafka.group_id}-reactions")
    }
    assert f"{place.kafka.group_id}-reactions-consents-changelog" in own
    assert set(own.values()) <= {1, place.kafka.partitions}


def test_a_stop_in_the_middle_of_a_batch_commits_what_was_handled_and_no_more(
    next_worker: Worker, send: Callable[..., None], last_mark: Path, place: Settings
) -> None:
    """Faust's `take` would acknowledge the batch of an agent that is cancelled. 16 messages were handled: 8
    at first, then 2, and 6 repeats."""
    send(LAST)
    until(last_mark.exists, "the last one is being judged")
    assert next_worker.stop() == 0
    assert sum(committed(place).values()) == 16
    assert LAST not in judged(place)
