"""Counting wrong rows must find every way in which a join can be wrong."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest

from benchmarks.peers.run import last_changes
from benchmarks.reference import JOINED, Traffic, wrong_rows
from benchmarks.workload import events
from contracts import topics

MINUTE = 60_000

RIGHT = pl.DataFrame(
    [("a", ["s1", "s2"], ["o1"]), ("b", [], []), ("c", ["s3"], [])], schema=JOINED, orient="row"
)


def changed(*rows: tuple[str, list[str] | None, list[str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=JOINED, orient="row")


@pytest.mark.parametrize(
    ("actual", "wrong"),
    [
        (RIGHT, 0),
        (RIGHT.with_columns(pl.col("signal_ids").list.reverse()), 0),
        (changed(("a", ["s1", "s2"], ["o1"]), ("b", None, []), ("c", ["s3"], [])), 0),
        (RIGHT.filter(pl.col("request_id") != "b"), 1),
        (RIGHT.clear(), 3),
        (pl.concat([RIGHT, RIGHT.head(1)]), 1),
        (pl.concat([RIGHT, changed(("d", [], []))]), 1),
        (changed(("a", ["s1"], ["o1"]), ("b", [], []), ("c", ["s3"], ["o1"])), 2),
        (changed(("a", None, ["o1"]), ("b", [], []), ("c", ["s3"], [])), 1),
        (changed(("a", ["s1", "s2", "s2"], ["o1"]), ("b", [], []), ("c", ["s3"], [])), 1),
    ],
    ids=[
        *("same", "order inside is free", "null is empty", "missing", "nothing at all"),
        *("repeated", "unknown", "evidence missing and extra", "evidence lost as null", "evidence twice"),
    ],
)
def test_wrong_rows_counts(actual: pl.DataFrame, wrong: int) -> None:
    assert wrong_rows(RIGHT, actual) == wrong


def record(topic: str, at: int, event_id: str, request_id: str | None = None) -> tuple[str, bytes, bytes]:
    event = {"event_id": event_id, "session_id": "s", "occurred_at": at}
    if request_id is not None:
        event["request_id"] = request_id
    return topic, b"s", msgspec.json.encode(event)


def test_the_reference_knows_the_rules() -> None:
    traffic = Traffic()
    records = [
        record(topics.REQUESTS, 0, "e1", "r1"),
        record(topics.REQUESTS, MINUTE, "e2", "r2"),
        record(topics.SIGNALS, MINUTE - 1, "before-r2"),
        record(topics.SIGNALS, MINUTE, "at-r2"),
        record(topics.SIGNALS, 2 * MINUTE, "names-r1", "r1"),
        record(topics.SIGNALS, 30 * MINUTE, "last-moment-r1", "r1"),
        record(topics.SIGNALS, 30 * MINUTE + 1, "too-late-r1", "r1"),
        record(topics.OUTCOMES, 5, "unknown", "nobody"),
        record(topics.OUTCOMES, -1, "before-all"),
    ]
    assert list(traffic.watch(records)) == records
    rows = {r: (set(s), set(o)) for r, s, o in traffic.expected().iter_rows()}
    assert rows == {
        "r1": ({"before-r2", "names-r1", "last-moment-r1"}, set()),
        "r2": ({"at-r2"}, set()),
    }


def test_the_workload_holds_every_case_the_rules_speak_of() -> None:
    traffic = Traffic()
    records = list(traffic.watch(events(20_000)))
    assert len(records) == pytest.approx(20_000, rel=0.01)
    rows = traffic.expected()
    by_topic = {
        t: [msgspec.json.decode(v) for topic, _, v in records if topic == t] for t in topics.JOINED_TOPICS
    }
    assert rows.height == len(by_topic[topics.REQUESTS])
    unnamed = sum("request_id" not in s for s in by_topic[topics.SIGNALS])
    assert unnamed * 2 == len(by_topic[topics.SIGNALS]) == rows["signal_ids"].list.len().sum()
    # Unnamed signals all belong to the last request of their session.
    assert set(rows["signal_ids"].list.len()) >= {1, 4}
    counted, sent = rows["outcome_ids"].list.len().sum(), len(by_topic[topics.OUTCOMES])
    assert sent - counted == pytest.approx(rows.height / 80, abs=2)
    for found in by_topic.values():
        times = [event["occurred_at"] for event in found if not event["event_id"].startswith("event-s")]
        assert times == sorted(times)


def test_of_a_change_log_the_last_state_counts() -> None:
    log = [
        {"request_id": "a", "signal_ids": [], "outcome_ids": []},
        {"request_id": "a", "signal_ids": ["s1"], "outcome_ids": None},
        # Pathway: within one time the removal may be written after the addition.
        {"request_id": "b", "signal_ids": ["x"], "outcome_ids": [], "diff": 1, "time": 2},
        {"request_id": "b", "signal_ids": [], "outcome_ids": [], "diff": -1, "time": 2},
        {"request_id": "b", "signal_ids": [], "outcome_ids": [], "diff": 1, "time": 1},
    ]
    rows = last_changes(map(msgspec.json.encode, log))
    assert {r: (s, o) for r, s, o in rows.iter_rows()} == {"a": (["s1"], []), "b": (["x"], [])}
