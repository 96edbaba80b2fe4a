"""What a careful engineer writes in a day: confluent-kafka, msgspec, a dict, Delta appends.

At least once, one table, no duplicates removed, no dead letters, no validation, no text stored.
A request settles when the least of its partition's three topics is past the end of its window.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

import msgspec
import pyarrow as pa
from confluent_kafka import Consumer
from deltalake import write_deltalake

from benchmarks.peers.session import State, new_state, row
from benchmarks.peers.task import Clock, Task, load

LATENESS_MS = 60_000
ROWS = 50_000


class Event(msgspec.Struct, gc=False):
    """What the join needs of an event."""

    session_id: str
    occurred_at: int
    event_id: str
    request_id: str | None = None


class Partition:
    """Open sessions of one partition and how far its topics have come."""

    def __init__(self, task: Task) -> None:
        self._horizon_ms = task.horizon_ms
        self._sessions: dict[str, State] = {}
        self._open: deque[tuple[int, str, str]] = deque()
        self._latest = dict.fromkeys(task.topics, 0)

    def add(self, kind: str, event: Event) -> None:
        """Take an event in."""
        state = self._sessions.setdefault(event.session_id, new_state())
        at = event.occurred_at
        if kind == "requests":
            state["requests"].append([at, event.request_id])
            state["requests"].sort()
            self._open.append((at, event.session_id, str(event.request_id)))
        else:
            state["evidence"].append([at, kind, event.event_id, event.request_id])
        self._latest[kind] = max(self._latest[kind], at)

    def settle(self, *, everything: bool = False) -> list[dict[str, Any]]:
        """Rows of the requests whose window has closed, in order of their time."""
        limit = min(self._latest.values()) - LATENESS_MS - self._horizon_ms
        rows = []
        while self._open and (everything or self._open[0][0] < limit):
            at, session, request = self._open.popleft()
            state = self._sessions[session]
            rows.append(row(state, [at, request], self._horizon_ms))
            if [at, request] == state["requests"][-1]:
                # The last request of the session so far; a later one starts a session of its own.
                del self._sessions[session]
        return rows


def run(task: Task) -> None:
    """Read, join, append, commit."""
    kinds = {topic: kind for kind, topic in task.topics.items()}
    decode = msgspec.json.Decoder(Event).decode
    clock = Clock(task.events)
    partitions: defaultdict[int, Partition] = defaultdict(lambda: Partition(task))
    consumer = Consumer(
        {
            "bootstrap.servers": task.bootstrap_servers,
            "group.id": task.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": task.session_timeout_ms,
            "queued.min.messages": 100_000,
        }
    )
    consumer.subscribe(list(task.topics.values()))
    rows: list[dict[str, Any]] = []
    done = False
    while not done:
        for message in consumer.consume(10_000, 0.2):
            if message.error() is None:
                partitions[message.partition()].add(kinds[message.topic()], decode(message.value()))
                done = clock.tick()
        for partition in partitions.values():
            rows += partition.settle(everything=done)
        if rows and (done or len(rows) >= ROWS):
            write_deltalake(task.output, pa.Table.from_pylist(rows), mode="append")
            consumer.commit(asynchronous=False)
            rows = []
    clock.answer()
    consumer.close()


if __name__ == "__main__":
    run(load())
