"""Bytewax with its windowing operators: session windows on event time, joined when they close.

A key's watermark is its greatest event time less the wait, and moves on with the system's clock; so in a
recording the windows close at the end of the input. The wait must cover how far one topic is read
ahead of another, or requests are late and lost: two hours are enough here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from benchmarks.peers.session import new_state, row
from benchmarks.peers.task import Clock, load

WAIT = timedelta(hours=2)
task = load()
clock = Clock(task.events)
kinds = {topic: kind for kind, topic in task.topics.items()}

Item = tuple[str, dict[str, Any]]


def decode(message: Any) -> tuple[str, Item]:
    """Session and (kind, event) of a message."""
    clock.tick()
    event = json.loads(message.value)
    return event["session_id"], (kinds[message.topic], event)


def event_time(item: Item) -> datetime:
    """When the event happened."""
    return datetime.fromtimestamp(item[1]["occurred_at"] / 1000, UTC)


def join(keyed: tuple[str, tuple[int, list[Item]]]) -> Iterable[KafkaSinkMessage[bytes, bytes]]:
    """The joined rows of a session's window, for the output topic."""
    state = new_state()
    for kind, event in keyed[1][1]:
        if kind == "requests":
            state["requests"].append([event["occurred_at"], event["request_id"]])
        else:
            item = [event["occurred_at"], kind, event["event_id"], event.get("request_id")]
            state["evidence"].append(item)
    state["requests"].sort()
    for request in state["requests"]:
        joined = row(state, request, task.horizon_ms)
        yield KafkaSinkMessage(key=request[1].encode(), value=json.dumps(joined).encode())


flow = Dataflow("join")
source = KafkaSource([task.bootstrap_servers], list(task.topics.values()), tail=False, batch_size=1_000)
events = op.map("decode", op.input("events", flow, source), decode)
windows = win.collect_window(
    "sessions",
    events,
    win.EventClock(event_time, wait_for_system_duration=WAIT),
    win.SessionWindower(gap=timedelta(milliseconds=task.horizon_ms)),
    ordered=False,
)
op.output("rows", op.flat_map("join", windows.down, join), KafkaSink([task.bootstrap_servers], task.output))

if __name__ == "__main__":
    run_main(flow)
    clock.answer()
