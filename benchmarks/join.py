"""How fast the join is, beside the raw reading speed of the same broker in the same run.

    python -m benchmarks.join --events 200000 [--json]

Both clocks start before the consumer group is joined and stop when the last event is read (raw), or
when every table is written and offsets are committed (join).
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
from confluent_kafka import Consumer

from benchmarks.workload import produce
from contracts import topics
from contracts.settings import JoinSettings, KafkaSettings, Settings
from infra.broker import EmbeddedBroker
from sinks.lake import Lake
from streams.identity import Identity
from streams.join_worker import JoinWorker
from streams.topics import apply

IDLE_SECONDS = 1.0


def read_only(kafka: KafkaSettings, expected: int) -> float:
    """Seconds to read every event with confluent-kafka and do nothing else."""
    started = time.perf_counter()
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": "benchmark-read",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": kafka.session_timeout_ms,
            "fetch.message.max.bytes": 4 << 20,
            "queued.min.messages": 100_000,
        }
    )
    consumer.subscribe(list(topics.JOINED_TOPICS))
    got = 0
    while got < expected:
        got += sum(1 for m in consumer.consume(20_000, 0.2) if m.error() is None and m.value())
    seconds = time.perf_counter() - started
    consumer.close()
    return seconds


def join(settings: Settings) -> tuple[float, int]:
    """(seconds, interactions) of the real worker into Delta; the final idle wait is not counted."""
    lake = Lake(settings.lake_root)
    lake.create()
    started = time.perf_counter()
    worker = JoinWorker(settings, lake, Identity(b"benchmark", held_out_share=0.05))
    worker.run(drain=True)
    seconds = time.perf_counter() - started - settings.join.idle_seconds
    return seconds, int(lake.interactions().select(pl.len()).collect().item())


def measure(count: int) -> dict[str, Any]:
    """Run both over a fresh broker and lake."""
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        settings = Settings(
            home=Path(folder),
            kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers, session_timeout_ms=6_000),
            join=JoinSettings(idle_seconds=IDLE_SECONDS),
        )
        apply(settings.kafka, settings.join)
        sent, size = produce(broker.bootstrap_servers, count)
        # The first member of a group waits half the session timeout on this broker, in both runs.
        join_delay = settings.kafka.session_timeout_ms / 2000
        read_seconds = max(read_only(settings.kafka, sent) - join_delay, 1e-9)
        join_seconds, interactions = join(settings)
        join_seconds = max(join_seconds - join_delay, 1e-9)
    return {
        "events": sent,
        "mean_value_bytes": round(size / sent),
        "interactions": interactions,
        "read_events_per_s": round(sent / read_seconds),
        "events_per_s": round(sent / join_seconds),
        "ratio": round(read_seconds / join_seconds, 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000, help="events to produce (default 200,000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    result = measure(arguments.events)
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<20} {value:>14,}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
