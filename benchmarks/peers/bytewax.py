"""Bytewax: Kafka input, key by session, `stateful_flat_map`, Kafka output.

Its windows close on a clock of each key, so a session window would wait for an event that never
comes; folding into the session's state is the documented way for joins of one's own.
"""

from __future__ import annotations

import json
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from benchmarks.peers.session import Row, State, fold, new_state
from benchmarks.peers.task import Clock, load

task = load()
clock = Clock(task.events)
kinds = {topic: kind for kind, topic in task.topics.items()}


def decode(message: Any) -> tuple[str, tuple[str, dict[str, Any]]]:
    """Session and (kind, event) of a message."""
    clock.tick()
    event = json.loads(message.value)
    return event["session_id"], (kinds[message.topic], event)


def join(state: State | None, item: tuple[str, dict[str, Any]]) -> tuple[State, list[Row]]:
    """Fold an event into its session; the rows that changed."""
    session = state or new_state()
    return session, fold(session, item[0], item[1], task.horizon_ms)


def encode(keyed: tuple[str, Row]) -> KafkaSinkMessage[bytes, bytes]:
    """A row for the output topic."""
    row = keyed[1]
    return KafkaSinkMessage(key=row["request_id"].encode(), value=json.dumps(row).encode())


flow = Dataflow("join")
source = KafkaSource([task.bootstrap_servers], list(task.topics.values()), tail=False, batch_size=1_000)
events = op.map("decode", op.input("events", flow, source), decode)
rows = op.stateful_flat_map("join", events, join)
op.output("rows", op.map("encode", rows, encode), KafkaSink([task.bootstrap_servers], task.output))

if __name__ == "__main__":
    run_main(flow)
    clock.answer()
