"""Read every event and do nothing else: `python -m benchmarks.read_process TASK ANSWER`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer

from benchmarks.brokers import reader_options


def run(task: dict[str, Any]) -> dict[str, Any]:
    """Seconds from before the group is joined to the last event."""
    expected = int(task["events"])
    started = time.perf_counter()
    consumer = Consumer(reader_options(task["bootstrap_servers"], task["group"]))
    consumer.subscribe(task["topics"])
    got = 0
    while got < expected:
        got += sum(message.error() is None for message in consumer.consume(task["batch"], 0.1))
    seconds = time.perf_counter() - started
    consumer.close()
    return {"seconds": seconds, "consumed": got}


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(run(json.loads(Path(sys.argv[1]).read_text()))))
