"""The session join the peers share gives the same rows as the reference, in whatever order events come."""

from __future__ import annotations

import random

import msgspec
import polars as pl

from benchmarks.peers.session import State, fold, new_state
from benchmarks.reference import HORIZON_MS, JOINED, Traffic, wrong_rows
from benchmarks.workload import events
from contracts import topics

KINDS = {topics.REQUESTS: "requests", topics.SIGNALS: "signals", topics.OUTCOMES: "outcomes"}


def test_shuffled_events_end_in_the_right_rows() -> None:
    traffic = Traffic()
    records = list(traffic.watch(events(3_000)))
    random.Random(5).shuffle(records)
    sessions: dict[bytes, State] = {}
    rows = {}
    for topic, key, value in records:
        state = sessions.setdefault(key, new_state())
        for row in fold(state, KINDS[topic], msgspec.json.decode(value), HORIZON_MS):
            rows[row["request_id"]] = row
    actual = pl.DataFrame(list(rows.values()), schema=JOINED)
    assert wrong_rows(traffic.expected(), actual) == 0
