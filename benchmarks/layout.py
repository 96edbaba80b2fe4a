"""What a day of small checkpoints does to the lake, and what maintenance makes of it.

    python -m benchmarks.layout [--requests 300000] [--checkpoints 1440] [--json]

One simulated day goes through the real join pipeline and the real committer; every checkpoint is written to
two lakes, one with maintenance (its clock is the event time) and one without. No broker: reading is not what
is measured. A worker at its defaults makes 17,280 checkpoints a day, one every 5 s; here there are fewer, so
that the run ends, and files are fewer and larger than there. After the day the clock moves on past
`lake.compact_after_hours`. Then both lakes are read, and must hold the same rows.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks import command
from benchmarks.progress import Progress
from benchmarks.workload import PER_REQUEST, START_MS, events
from contracts import topics
from contracts.errors import TerminalError
from contracts.settings import Settings
from curation.scoring import DEFAULT_MODEL
from sinks.lake import Lake
from sinks.maintenance import Maintenance
from sinks.maintenance_layout import day_files, log_size
from sinks.maintenance_properties import HOUR_US
from streams.checkpoint import Checkpoint, Committer
from streams.decoding import Decoder, RawMessage, input_topics
from streams.identity import Identity
from streams.join_pipeline import Batch, JoinPipeline, JoinStats

DAY_MS: Final = 86_400_000
PARTITIONS: Final = 4
TABLES: Final = ("requests", "signals", "outcomes", "interactions")
Step = tuple[str, float]
"""Kind of work (look, merge or keep) and its seconds; the first merge after a look includes the look."""

DAY: Final = date(2026, 1, 5)
"""The simulated day, that of `benchmarks.workload`."""


class _Nowhere:
    """Stands in for the output topics and the consumer: nothing is produced, no offset committed."""

    def dead_letters(self, rows: pl.DataFrame) -> None:
        """Drop the rows."""

    def interactions(self, rows: pl.DataFrame) -> None:
        """Drop the rows."""

    def flush(self) -> None:
        """Nothing to wait for."""

    def commit(self, offsets: Any) -> None:
        """Nothing to commit to."""


def checkpoints(settings: Settings, requests: int, count: int) -> Iterator[tuple[Checkpoint, int]]:
    """(checkpoint, event time in microseconds) of one day of traffic, in `count` pieces."""
    kinds = {kind: topic for kind, (topic, _) in input_topics(settings.kafka).items()}
    decoder = Decoder(settings.kafka, Identity(b"benchmark", held_out_share=0.05))
    pipeline = JoinPipeline(settings, kinds, DEFAULT_MODEL)
    pipeline.assign(range(PARTITIONS), pl.Series("request_id", [], dtype=pl.String), {})
    positions = {(topic, p): 0 for topic in topics.JOINED_TOPICS for p in range(PARTITIONS)}
    source = events(round(requests * PER_REQUEST), step_ms=DAY_MS // requests)
    size = -(-round(requests * PER_REQUEST) // count)
    stats = JoinStats()
    for n in itertools.count():
        chunk = list(itertools.islice(source, size))
        now_us = (START_MS + DAY_MS * min(n + 1, count) // count) * 1000
        messages = []
        for topic, key, value in chunk:
            place = (topic, zlib.crc32(key) % PARTITIONS)
            messages.append(RawMessage(topic, place[1], positions[place], now_us, key, value))
            positions[place] += 1
        if messages:
            decoder.feed(messages, now_us=now_us)
        batch = Batch(decoder.take(), now_us, dict(positions), {}, close=not messages)
        yield pipeline.process(batch, stats), now_us
        if not messages:
            return


def read_day(lake: Lake) -> tuple[float, float]:
    """(wall, CPU) seconds to read the day once: texts by feature, failures by feature."""
    started, cpu = time.perf_counter(), time.process_time()
    mine = pl.col("date") == DAY
    texts = pl.col("output_messages").str.len_bytes()
    lake.scan("requests").filter(mine).group_by("feature").agg(pl.len(), texts.sum()).collect()
    failures = (pl.col("failure_score") >= 0.5).mean()
    lake.interactions().filter(mine).group_by("feature").agg(pl.len(), failures).collect()
    return time.perf_counter() - started, time.process_time() - cpu


def read_times(lake: Lake, times: int = 5) -> dict[str, float]:
    """The best of some reads: what else the machine does only adds."""
    walls, cpus = zip(*(read_day(lake) for _ in range(times)), strict=True)
    return {"read_day_s": round(min(walls), 3), "read_day_cpu_s": round(min(cpus), 3)}


def layout(lake: Lake) -> list[dict[str, Any]]:
    """Files of the day per table."""
    found = []
    for name in TABLES:
        table = lake.table(name)
        log = log_size(lake, name, table)
        for files in day_files(name, table):
            if files.day == DAY and log:
                log_mb = round(log.bytes / (1 << 20), 2)
                found.append(files.as_dict() | {"commits": log.version, "log_mb": log_mb})
    return found


def fingerprint(lake: Lake) -> list[tuple[int, int]]:
    """Per table the number of rows and a sum of row hashes, whatever their order."""
    rows = (lake.scan(name).collect() for name in TABLES)
    return [(frame.height, int(frame.hash_rows(seed=1).cast(pl.UInt64).sum())) for frame in rows]


def measure(requests: int, count: int, progress: Progress) -> dict[str, Any]:
    """Write the day to both lakes, let maintenance finish, read both.

    Raises `TerminalError` when they do not hold the same rows.
    """
    with tempfile.TemporaryDirectory(prefix="tailrace-layout-") as folder:
        settings = Settings(home=Path(folder))
        origins = {topic: f"{topic}@benchmark" for topic, _ in input_topics(settings.kafka).values()}
        lakes = {name: Lake(f"{folder}/{name}") for name in ("off", "on")}
        committers = {}
        for name, lake in lakes.items():
            lake.create(settings.lake)
            nowhere: Any = _Nowhere()
            committers[name] = Committer(lake, nowhere, nowhere, origins)
        maintenance = Maintenance(lakes["on"], settings.lake)
        stored: dict[str, list[float]] = {name: [] for name in lakes}
        steps: list[Step] = []
        now_us = 0
        for n, (checkpoint, now_us) in enumerate(checkpoints(settings, requests, count)):
            for name, committer in committers.items():
                stored[name].append(timed(partial(committer.store, checkpoint)))
            steps += run_all(maintenance, now_us)
            if n % max(count // 24, 1) == 0:
                progress.note(f"checkpoint {n:,} of {count:,}")
        progress.note("the day is over: merging it")
        after = now_us + settings.lake.compact_after_us + HOUR_US
        final = [step for hour in range(3) for step in run_all(maintenance, after + hour * HOUR_US)]
        progress.note("reading both lakes")
        if fingerprint(lakes["off"]) != fingerprint(lakes["on"]):
            raise TerminalError("the lakes do not hold the same rows")
        result: dict[str, Any] = {"requests": requests, "checkpoints": count}
        for name, lake in lakes.items():
            result[f"maintenance_{name}"] = {
                **read_times(lake),
                **store_times(stored[name], count),
                "layout": layout(lake),
            }
        off, on = result["maintenance_off"], result["maintenance_on"]
        result["read_ratio"] = round(off["read_day_s"] / on["read_day_s"], 1)
        result["read_cpu_ratio"] = round(off["read_day_cpu_s"] / on["read_day_cpu_s"], 1)
        result["during_the_day"] = summary(steps)
        result["after_the_horizon"] = summary(final)
        return result


def summary(steps: list[Step]) -> dict[str, float]:
    """Seconds by kind of work. A look comes every two minutes of event time."""
    by_kind = {kind: [seconds for k, seconds in steps if k == kind] for kind in ("look", "merge", "keep")}
    return {
        "looks": len(by_kind["look"]),
        "look_mean_s": round(statistics.mean(by_kind["look"] or [0.0]), 3),
        "merges": len(by_kind["merge"]),
        "merge_total_s": round(sum(by_kind["merge"]), 2),
        "merge_longest_s": round(max(by_kind["merge"], default=0.0), 2),
        "housekeeping_s": round(sum(by_kind["keep"]), 2),
    }


def store_times(seconds: list[float], count: int) -> dict[str, float]:
    """Mean milliseconds to store a checkpoint in the first and last twentieth of the day."""
    part = max(count // 20, 1)
    # The very last one closes every window and is of another size.
    return {
        "store_ms_first": round(statistics.mean(seconds[:part]) * 1e3, 1),
        "store_ms_last": round(statistics.mean(seconds[-part - 1 : -1]) * 1e3, 1),
    }


def run_all(maintenance: Maintenance, now_us: int) -> list[Step]:
    """Do everything that is due now. Raises `TerminalError` when something had to be put off."""
    done: list[Step] = []
    while maintenance.due(now_us):
        started = time.perf_counter()
        report = maintenance.run(now_us, 0.0)
        if report.skipped:
            raise TerminalError(f"maintenance was put off: {report.skipped}")
        kind = "merge" if report.merged else "keep" if report.kept else "look"
        done.append((kind, time.perf_counter() - started))
    return done


def timed(work: Callable[[], Any]) -> float:
    """Seconds a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(__doc__)
    parser.add_argument("--requests", type=int, default=300_000, help="requests of the day (default 300,000)")
    parser.add_argument(
        "--checkpoints", type=int, default=1440, help="checkpoints of the day (default 1,440: one a minute)"
    )
    arguments = parser.parse_args()
    command.main(
        lambda progress: measure(arguments.requests, arguments.checkpoints, progress), as_json=arguments.json
    )


if __name__ == "__main__":
    main()
