"""Open windows and nothing else: `python -m benchmarks.memory_process TASK ANSWER`.

Drives the decoder and the real `JoinPipeline` with a watermark that stays behind every window, so that
all requests remain open with their evidence; bronze rows are dropped, as if they had been written.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks.processes import rss_mb
from benchmarks.workload import PER_REQUEST, START_MS, events
from contracts.errors import TerminalError
from contracts.settings import JoinSettings, Settings
from curation.scoring import DEFAULT_MODEL
from streams.decoding import Decoder, RawMessage, input_topics
from streams.identity import Identity
from streams.join_pipeline import Batch, JoinPipeline, JoinStats
from streams.process import tuned_for_batches

BATCH: Final = 50_000
PARTITIONS: Final = 4
_SENT_US: Final = (START_MS + 7 * 24 * 3_600_000) * 1000
"""After every event: one further ahead of its message than a day would be refused."""
_NEVER_S: Final = 20 * 365 * 86_400.0
"""Allowed lateness that keeps the watermark twenty years behind."""


def messages(requests: int) -> Iterator[RawMessage]:
    """The workload's messages for that many requests, as the reader would give them."""
    offsets: dict[tuple[str, int], int] = {}
    for topic, key, value in events(round(requests * PER_REQUEST)):
        place = (topic, zlib.crc32(key) % PARTITIONS)
        offset = offsets.get(place, 0)
        offsets[place] = offset + 1
        yield RawMessage(*place, offset, _SENT_US, key, value)


def run(task: dict[str, Any]) -> dict[str, Any]:
    """RSS before and after, and CPU microseconds per event, with `task["requests"]` requests open."""
    settings = Settings(join=JoinSettings(lateness_seconds=_NEVER_S))
    topics = {kind: topic for kind, (topic, _) in input_topics(settings.kafka).items()}
    decoder = Decoder(settings.kafka, Identity(b"benchmark", held_out_share=0.05))
    pipeline = JoinPipeline(settings, topics, DEFAULT_MODEL)
    pipeline.assign(range(PARTITIONS), pl.Series("request_id", [], dtype=pl.String), {})
    stats = JoinStats()
    source = messages(task["requests"])
    count = 0
    with tuned_for_batches():
        before_mb = cpu_s = 0.0
        while batch := list(itertools.islice(source, BATCH)):
            positions = {(m.topic, m.partition): m.offset + 1 for m in batch}
            started = time.process_time()
            decoder.feed(batch, now_us=START_MS * 1000)
            decoded = decoder.take()
            before_mb = before_mb or _settled_rss_mb()
            pipeline.process(Batch(decoded, time.time_ns() // 1000, positions, {}), stats)
            cpu_s += time.process_time() - started
            count += len(batch)
            del batch, decoded
        after_mb = _settled_rss_mb()
    if abs(stats.open_requests - task["requests"]) > 1 or stats.interactions:
        raise TerminalError(f"{stats.open_requests} requests are open, not {task['requests']}")
    return {
        "events": count,
        "open_requests": stats.open_requests,
        "held_rows": stats.held_rows,
        "before_mb": before_mb,
        "rss_mb": after_mb,
        "cpu_us_per_event": cpu_s / count * 1e6,
    }


def _settled_rss_mb() -> float:
    gc.collect()
    return rss_mb(os.getpid())


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(run(json.loads(Path(sys.argv[1]).read_text()))))
