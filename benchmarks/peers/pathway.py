"""Pathway: Kafka tables, a join on the named request, an as-of join within the session, grouping.

A change stream: every change of a row is written with its `diff`. The programme ends when all events
are in and the result has been quiet for a while; the clock stops at the last change.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pathway as pw

from benchmarks.peers.task import COLUMNS, load, write_answer

COMMIT_MS = 500
QUIET_S = 5.0
task = load()


class Request(pw.Schema):
    """What the join needs of a request."""

    request_id: str
    session_id: str
    occurred_at: int


class Evidence(pw.Schema):
    """What the join needs of a signal or an outcome."""

    event_id: str
    session_id: str
    request_id: str | None = pw.column_definition(default_value=None)
    occurred_at: int


def read(kind: str, schema: Any) -> Any:
    """A topic as a table."""
    settings = {
        "bootstrap.servers": task.bootstrap_servers,
        "group.id": f"{task.group}-{kind}",
        "session.timeout.ms": str(task.session_timeout_ms),
        "auto.offset.reset": "earliest",
    }
    return pw.io.kafka.read(
        settings, task.topics[kind], schema=schema, format="json", autocommit_duration_ms=COMMIT_MS
    )


def belonging(requests: Any, evidence: Any, column: str) -> Any:
    """Request id → sorted ids of the evidence that counts for it."""
    named = evidence.filter(evidence.request_id.is_not_none())
    by_name = named.join(requests, named.request_id == requests.request_id).select(
        named.event_id, named.occurred_at, target=requests.request_id, start=requests.occurred_at
    )
    unnamed = evidence.filter(evidence.request_id.is_none())
    by_time = unnamed.asof_join(
        requests,
        unnamed.occurred_at,
        requests.occurred_at,
        unnamed.session_id == requests.session_id,
        how=pw.JoinMode.LEFT,
    ).select(unnamed.event_id, unnamed.occurred_at, target=requests.request_id, start=requests.occurred_at)
    by_time = by_time.filter(by_time.target.is_not_none())
    by_time = by_time.select(
        by_time.event_id,
        by_time.occurred_at,
        target=pw.unwrap(by_time.target),
        start=pw.unwrap(by_time.start),
    )
    both = pw.Table.concat_reindex(by_name, by_time)
    both = both.filter((both.occurred_at >= both.start) & (both.occurred_at - both.start <= task.horizon_ms))
    return both.groupby(both.target).reduce(
        both.target, **{column: pw.reducers.sorted_tuple(both.event_id), "count": pw.reducers.count()}
    )


def program() -> tuple[Any, Any]:
    """(joined rows, number of events read)."""
    requests = read("requests", Request)
    result = requests.select(requests.request_id, count=0)
    total = requests.reduce(count=pw.reducers.count())
    for kind, column in COLUMNS.items():
        evidence = read(kind, Evidence)
        found = belonging(requests, evidence, column)
        earlier = [result[name] for name in result.column_names() if name != "count"]
        result = result.join_left(found, result.request_id == found.target).select(
            *earlier,
            **{column: found[column], "count": result.count + pw.coalesce(found["count"], 0)},
        )
        total = pw.Table.concat_reindex(total, evidence.reduce(count=pw.reducers.count()))
    return result, total.reduce(count=pw.reducers.sum(total.count))


class Watch:
    """When the first event was seen, how many there were, and when the result last changed."""

    def __init__(self) -> None:
        self.first = self.counted_at = self.changed = 0.0
        self.count = 0

    def counted(self, key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:  # noqa: ARG002
        """The number of events read has changed."""
        if is_addition:
            self.first = self.first or clock()
            self.count = row["count"]
            self.counted_at = clock()

    def joined(self, key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:  # noqa: ARG002
        """The joined rows have changed."""
        self.changed = clock()

    def wait(self) -> None:
        """Leave when everything has been read and written."""
        while self.count < task.events or self.changed < self.counted_at:
            time.sleep(0.05)
        while clock() - self.changed < QUIET_S:
            time.sleep(0.05)
        # The first count appears with the first commit: what was read before it is on the clock.
        write_answer(self.changed - self.first + COMMIT_MS / 1000, self.count)
        os._exit(0)


clock = time.perf_counter

if __name__ == "__main__":
    rows, total = program()
    watch = Watch()
    summary = rows.reduce(rows=pw.reducers.count(), evidence=pw.reducers.sum(rows.count))
    pw.io.subscribe(summary, on_change=watch.joined)
    pw.io.subscribe(total, on_change=watch.counted)
    pw.io.kafka.write(
        rows.without(rows.count), {"bootstrap.servers": task.bootstrap_servers}, task.output, format="json"
    )
    threading.Thread(target=watch.wait, daemon=True).start()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
