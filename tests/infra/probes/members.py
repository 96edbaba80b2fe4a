"""A group member in a thread of its own, for the probes of groups."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.infra.probes.clients import consumer


class Member:
    """A consumer polled in a thread of its own; counts its assignments."""

    def __init__(self, servers: str, group: str, topic: str, **options: Any) -> None:
        self.client: Consumer = consumer(servers, group, **options)
        self.places: set[int] = set()
        self.assignments = 0
        self.errors: list[str] = []
        self._over = threading.Event()
        self._asked: SimpleQueue[tuple[Callable[[Consumer], Any], Future[Any]]] = SimpleQueue()
        self.client.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked)
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def _assigned(self, _: Any, places: list[TopicPartition]) -> None:
        self.assignments += 1
        self.places |= {p.partition for p in places}

    def _revoked(self, _: Any, places: list[TopicPartition]) -> None:
        self.places -= {p.partition for p in places}

    def ask(self, call: Callable[[Consumer], Any]) -> Any:
        """The answer of a call made between two polls: a consumer takes one call at a time."""
        asked: Future[Any] = Future()
        self._asked.put((call, asked))
        return asked.result(60)

    def _poll(self) -> None:
        while not self._over.is_set():
            if not self._asked.empty():
                call, asked = self._asked.get()
                try:
                    asked.set_result(call(self.client))
                except KafkaException as error:
                    asked.set_exception(error)
            message = self.client.poll(0.05)
            if message is not None and message.error():
                self.errors.append(message.error().name())

    def leave(self) -> None:
        """Close: a dynamic member leaves the group, a static one only goes silent."""
        self._over.set()
        self._thread.join(30)
        self.client.close()


def commit(client: Consumer, topic: str, offset: int) -> None:
    client.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)


def committed(client: Consumer, topic: str) -> int:
    return int(client.committed([TopicPartition(topic, 0)], timeout=10)[0].offset)


def seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"
