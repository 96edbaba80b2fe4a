"""A worker that is cut off, or one that starts after it: `python -m benchmarks.restart_process TASK ANSWER`.

With `stop_after` the process ends the moment so many events are consumed, without closing anything, as
after SIGKILL. Otherwise it notes when it got its partitions and when it had consumed `events`, and drains.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from contracts.settings import Settings
from sinks.lake import Lake
from streams.identity import Identity
from streams.join_worker import JoinWorker


def run(task: dict[str, Any], answer: Path) -> None:
    """Work as told by `task` and write the answer."""
    settings = Settings(**task["settings"])
    lake = Lake(settings.lake_root)
    lake.create()
    started = time.perf_counter()
    worker = JoinWorker(settings, lake, Identity(b"benchmark", held_out_share=0.05))
    times: dict[str, float] = {}

    def watch() -> None:
        while not worker.stats.partitions:
            time.sleep(0.002)
        times["assigned_s"] = time.perf_counter() - started
        while worker.stats.consumed < (task["stop_after"] or task["events"]):
            time.sleep(0.002)
        if task["stop_after"]:
            answer.write_text(json.dumps({"consumed": worker.stats.consumed}))
            os._exit(0)
        times["caught_up_s"] = time.perf_counter() - started

    watcher = threading.Thread(target=watch, name="watch", daemon=True)
    watcher.start()
    worker.run(drain=not task["stop_after"])
    watcher.join()
    answer.write_text(json.dumps({**times, "consumed": worker.stats.consumed}))


if __name__ == "__main__":
    run(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
