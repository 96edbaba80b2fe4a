"""Quix Streams: three StreamingDataFrames concatenated, a stateful `apply` on the session's state.

State is in RocksDB with a changelog topic, as Quix does by default. Its own joins (`join_asof`,
`join_interval`) pair one left row with one right row and know no "named request first".
"""

from __future__ import annotations

from typing import Any

from quixstreams import Application, State

from benchmarks.peers.session import Row, fold, new_state
from benchmarks.peers.task import Clock, load

task = load()
clock = Clock(task.events)


def processed(_topic: str, _partition: int, _offset: int) -> None:
    """Stop after the last event."""
    if clock.seen == task.events:
        app.stop()


app = Application(
    broker_address=task.bootstrap_servers,
    consumer_group=task.group,
    auto_offset_reset="earliest",
    state_dir=task.folder,
    loglevel="WARNING",
    on_message_processed=processed,
    consumer_extra_config={"session.timeout.ms": task.session_timeout_ms},
    producer_extra_config={"linger.ms": 20},
)


def tagged(kind: str) -> Any:
    """The dataframe of one topic, each value with its kind."""
    topic = app.topic(task.topics[kind], value_deserializer="json")
    return app.dataframe(topic).apply(lambda event: (kind, event))


def join(tagged_event: tuple[str, dict[str, Any]], state: State) -> list[Row]:
    """Fold an event into its session; the rows that changed."""
    clock.tick()
    kind, event = tagged_event
    session = state.get("session", new_state())
    changed = fold(session, kind, event, task.horizon_ms)
    state.set("session", session)
    return changed


frame = tagged("requests").concat(tagged("signals")).concat(tagged("outcomes"))
frame = frame.apply(join, stateful=True, expand=True)
frame.to_topic(app.topic(task.output, value_serializer="json"), key=lambda row: row["request_id"])

if __name__ == "__main__":
    app.run()
    clock.answer()
