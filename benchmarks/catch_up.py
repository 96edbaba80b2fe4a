"""How long a restarted worker needs until it is back at the end of the stream.

    python -m benchmarks.catch_up [--events 1000000] [--traffic 200] [--json]

A worker is cut off half-way, as by SIGKILL, with all its windows open. A second one starts in the same
group: it reads the open windows again from their lowest offsets, then what nobody had read. It has caught
up when its lag is zero. `times_real_time`: event time it went through per second, at this traffic. The
rows are compared with the right answer at the end.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from benchmarks import command, processes
from benchmarks.brokers import reader_options
from benchmarks.progress import Progress
from benchmarks.reference import JOINED, wrong_rows
from benchmarks.stage import Loaded, Stage, open_stage
from benchmarks.workload import PER_REQUEST
from sinks.lake import Lake

CHECKPOINT_SECONDS = 1.0
_TIMEOUT_S = 600.0
_PARTITIONS = 4


def measure(engine: str, events: int, traffic: float, progress: Progress) -> dict[str, Any]:
    """Cut off, restart, compare. `traffic`: events per second of event time."""
    step_ms = max(1, round(PER_REQUEST * 1000 / traffic))
    per_second = PER_REQUEST * 1000 / step_ms
    with open_stage(engine, progress) as stage, tempfile.TemporaryDirectory(dir=stage.folder) as home:
        loaded = stage.load(events, step_ms=step_ms)
        settings = stage.settings(loaded, Path(home), checkpoint_seconds=CHECKPOINT_SECONDS)
        task = {
            "settings": settings.model_dump(mode="json", exclude={"privacy", "judge"}),
            "events": 0,
            "stop_after": loaded.events // 2,
        }
        progress.note("a worker runs until half-way and is cut off")
        first = processes.run("benchmarks.restart_process", task, timeout_s=_TIMEOUT_S).answer["consumed"]
        restart = committed(stage, loaded, f"{settings.kafka.group_id}-join")
        to_read = loaded.events - restart
        progress.note(f"the next one starts with {to_read:,} events to read")
        task |= {"events": to_read, "stop_after": 0}
        second = processes.run("benchmarks.restart_process", task, timeout_s=_TIMEOUT_S).answer
        rows = Lake(settings.lake_root).scan("interactions").select(list(JOINED)).collect()
        wrong = wrong_rows(loaded.expected, rows)
    working_s = second["caught_up_s"] - second["assigned_s"]
    return {
        "events": loaded.events,
        "traffic_events_per_s": round(per_second),
        "read_before_the_cut": first,
        "read_again": first - restart,
        "read_again_minutes": round((first - restart) / per_second / 60, 1),
        "read_by_nobody_before": loaded.events - first,
        "assigned_after_s": round(second["assigned_s"], 1),
        "caught_up_after_s": round(second["caught_up_s"], 1),
        "events_per_s": round(to_read / working_s),
        "times_real_time": round(to_read / per_second / working_s),
        "wrong_rows": wrong,
    }


def committed(stage: Stage, loaded: Loaded, group: str) -> int:
    """Sum of the offsets a group has committed over the joined topics (which begin at 0)."""
    consumer = Consumer(reader_options(stage.broker.bootstrap_servers, group))
    places = [TopicPartition(topic, p) for topic in loaded.joined_topics for p in range(_PARTITIONS)]
    try:
        return sum(max(place.offset, 0) for place in consumer.committed(places, timeout=30))
    finally:
        consumer.close()


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(__doc__)
    command.add_engine(parser)
    parser.add_argument("--events", type=int, default=1_000_000, help="default 1,000,000")
    parser.add_argument(
        "--traffic", type=float, default=200.0, help="events per second of event time (default 200)"
    )
    arguments = parser.parse_args()
    command.main(
        lambda progress: measure(arguments.engine, arguments.events, arguments.traffic, progress),
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
