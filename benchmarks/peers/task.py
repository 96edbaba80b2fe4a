"""What a peer is asked to do and what it answers; standard library only.

`python -m benchmarks.peers.NAME TASK.json ANSWER.json`: read `events` events from the three topics,
write every joined row, answer with the seconds between the first event taken in and the last row
acknowledged. Connecting, joining the group and recovering state are not on the clock.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

COLUMNS = {"signals": "signal_ids", "outcomes": "outcome_ids"}
"""Kind of evidence → the list it belongs to in a joined row."""


@dataclass(frozen=True)
class Task:
    """`topics`: kind (requests, signals, outcomes) → topic. `output`: a topic, or a Delta table's
    path. `folder`: scratch space that is deleted afterwards."""

    bootstrap_servers: str
    group: str
    topics: dict[str, str]
    partitions: int
    output: str
    events: int
    horizon_ms: int
    session_timeout_ms: int
    folder: str


def load() -> Task:
    """The task this process was started with."""
    given = json.loads(Path(sys.argv[1]).read_text())
    return Task(**{field.name: given[field.name] for field in fields(Task)})


class Clock:
    """Starts at the first event, counts events, and gives the answer."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._started = 0.0
        self.seen = 0

    def tick(self) -> bool:
        """One event was taken in; True when it was the last."""
        if not self.seen:
            self._started = time.perf_counter()
        self.seen += 1
        return self.seen == self._events

    def answer(self, **more: Any) -> None:
        """Everything is written: stop the clock and leave the answer."""
        write_answer(time.perf_counter() - self._started, self.seen, **more)


def write_answer(seconds: float, consumed: int, **more: Any) -> None:
    """Leave the answer, whole or not at all."""
    unfinished = Path(sys.argv[2] + ".part")
    unfinished.write_text(json.dumps({"seconds": seconds, "consumed": consumed, **more}))
    unfinished.replace(sys.argv[2])
