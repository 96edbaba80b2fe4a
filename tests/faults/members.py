"""Members of the join's consumer group in threads: the real reader without the join behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from contracts.errors import TailraceError
from contracts.settings import KafkaSettings
from streams.source import KafkaSource, Place
from tests.faults.process import DEADLINE_S

_POLL_S: Final = 0.1


def input_topics(kafka: KafkaSettings) -> tuple[str, ...]:
    """The topics a worker reads."""
    return kafka.requests_topic, kafka.signals_topic, kafka.outcomes_topic, kafka.consents_topic


class Member:
    """One reader that polls in a thread until it is told to leave; `moves` are its callbacks in order."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.moves: list[tuple[str, frozenset[Place]]] = []
        self.error: TailraceError | None = None
        self._leave = threading.Event()
        self._source = KafkaSource(
            kafka,
            input_topics(kafka),
            on_assign=lambda restart: self.moves.append(("assigned", frozenset(restart))),
            on_revoke=lambda places: self.moves.append(("revoked", frozenset(places))),
        )
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    @property
    def places(self) -> frozenset[Place]:
        """What it reads now."""
        return frozenset(self._source.positions)

    def leave(self) -> None:
        """Close the reader; with an instance id the group does not notice."""
        self._leave.set()
        self._source.interrupt()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def _poll(self) -> None:
        try:
            while not self._leave.is_set():
                self._source.poll(1_000, _POLL_S)
        except TailraceError as error:
            self.error = error
        finally:
            self._source.close()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so; fails the test when it never is."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.05)


def shared_out(kafka: KafkaSettings, members: Iterable[Member]) -> bool:
    """Whether every partition of every topic has exactly one reader, and every member at least one."""
    held = [member.places for member in members]
    everything = {(topic, p) for topic in input_topics(kafka) for p in range(kafka.partitions)}
    return all(held) and sum(map(len, held)) == len(everything) and frozenset().union(*held) == everything


def by_partition(kafka: KafkaSettings, places: Iterable[Place]) -> bool:
    """Whether the places are whole partitions: p of one topic means p of all."""
    found = set(places)
    return found == {(topic, p) for topic in input_topics(kafka) for _, p in found}
