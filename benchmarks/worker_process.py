"""One run of the real join worker in its own process: `python -m benchmarks.worker_process TASK ANSWER`.

The clock starts before the worker connects and stops when every window is closed, every table
written and every offset committed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.plain_appends import without_exactly_once
from benchmarks.processes import IdleMeter, cpu_seconds
from contracts.settings import Settings
from sinks.lake import Lake
from streams.fleet import JoinFleet, make_join
from streams.identity import Identity
from streams.join_worker import JoinWorker

SAMPLE_S: Final = 0.1


def run(task: dict[str, Any]) -> dict[str, Any]:
    """Join everything on the topics; `task` holds settings, the event count and the broker's processes."""
    settings = Settings(**task["settings"])
    lake = Lake(settings.lake_root)
    lake.create()
    if not task["exactly_once"]:
        without_exactly_once()
    started = time.perf_counter()
    worker = make_join(settings, lake, Identity(b"benchmark", held_out_share=0.05))
    course = Course(worker)
    with (
        course,
        IdleMeter(
            [os.getpid(), *task["broker_pids"]], lambda: worker.stats.consumed >= task["events"]
        ) as meter,
    ):
        stats = worker.run(drain=True)
        ended = time.perf_counter()
    # Starting interpreters is no part of the join; the reader's clock starts when it connects, too.
    seconds = ended - ((worker.first_up or started) if isinstance(worker, JoinFleet) else started)
    return {
        # A live stream has no end to wait for: of the last wait, the part in which nothing was done.
        "seconds": seconds - min(meter.idle_s, settings.join.idle_seconds + 0.5),
        "consumed": stats.consumed,
        "interactions": stats.interactions,
        "checkpoints": stats.checkpoints,
        "course": course.points,
    }


class Course:
    """How the worker got on: (events consumed, CPU seconds of the process so far), every now and then."""

    def __init__(self, worker: JoinWorker | JoinFleet) -> None:
        self.points: list[tuple[int, float]] = []
        self._worker = worker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="course", daemon=True)

    def __enter__(self) -> Course:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._note()

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._note()

    def _note(self) -> None:
        self.points.append((self._worker.stats.consumed, cpu_seconds(os.getpid())))


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(run(json.loads(Path(sys.argv[1]).read_text()))))
