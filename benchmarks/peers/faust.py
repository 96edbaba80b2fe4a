"""Faust: an agent over the three topics, a Table of sessions, every changed row sent on.

The Table is in memory with its changelog on the broker, as Faust does by default. Sessions are never
removed from it: Faust's windowed tables do not hold one session's events together, and a timer may not
write to a Table. That saves work, in its favour.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import faust

from benchmarks.peers.session import fold, new_state
from benchmarks.peers.task import Clock, load

task = load()
kinds = {topic: kind for kind, topic in task.topics.items()}
app = faust.App(
    task.group,
    broker=f"kafka://{task.bootstrap_servers}",
    datadir=task.folder,
    store="memory://",
    topic_partitions=task.partitions,
    topic_replication_factor=1,
    broker_session_timeout=task.session_timeout_ms / 1000,
    broker_heartbeat_interval=1.0,
    broker_max_poll_records=5_000,
    stream_buffer_maxsize=65_536,
    stream_wait_empty=False,
    consumer_auto_offset_reset="earliest",
    producer_linger=0.02,
    web_enabled=False,
    worker_redirect_stdouts=False,
)
events = app.topic(*task.topics.values(), key_type=bytes, value_serializer="json")
rows = app.topic(task.output, value_serializer="json")
sessions = app.Table("sessions", default=new_state, partitions=task.partitions)
clock = Clock(task.events)


@app.agent(events)
async def join(stream: Any) -> None:
    """Fold each event into its session and send what changed."""
    async for event in stream.events():
        session = event.key.decode()
        state = sessions[session]
        changed = fold(state, kinds[event.message.topic], event.value, task.horizon_ms)
        sessions[session] = state
        for row in changed:
            await rows.send(key=row["request_id"], value=row)
        if clock.tick():
            finishing.append(asyncio.ensure_future(finish()))


finishing: list[Any] = []


async def finish() -> None:
    """Wait for the last acknowledgement and leave; a worker has no end of its own."""
    await asyncio.sleep(0)
    await app.producer.flush()
    clock.answer()
    os._exit(0)


if __name__ == "__main__":
    faust.Worker(app, loglevel="warning").execute_from_commandline()
