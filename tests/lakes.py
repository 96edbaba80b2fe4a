"""Fill a lake with events as the worker would, without a broker."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from contracts.settings import KafkaSettings
from contracts.tables import frame_schema
from curation.scoring import score
from joiners.interactions import join
from sinks.lake import Lake
from sinks.transactions import append_messages, append_revisions
from streams.decoding import Decoder, RawMessage, input_topics
from streams.identity import Identity
from streams.join_step import interaction_rows

HORIZON_US = 30 * 60 * 1_000_000
KINDS = {"request": "requests", "signal": "signals", "outcome": "outcomes", "consent": "consents"}
TOPICS = {kind: topic for kind, (topic, _) in input_topics(KafkaSettings()).items()}


def new_lake(root: Path) -> Lake:
    """An empty lake."""
    lake = Lake(root)
    lake.create()
    return lake


def ingest(
    lake: Lake,
    events: Iterable[tuple[str, dict[str, Any]]],
    *,
    first_offset: int = 0,
    held_out_share: float = 0.0,
    settle_requests: bool = True,
) -> None:
    """Store (kind, event) pairs in bronze and join their requests; kinds are the keys of `KINDS`."""
    decoder = Decoder(KafkaSettings(), Identity(b"test", held_out_share=held_out_share))
    messages = [
        RawMessage(TOPICS[KINDS[kind]], 0, first_offset + n, 0, None, msgspec.json.encode(event))
        for n, (kind, event) in enumerate(events)
    ]
    decoder.feed(messages, now_us=time.time_ns() // 1000)
    decoded = decoder.take()
    assert decoded.dead_letters.is_empty(), decoded.dead_letters["detail"].to_list()
    for kind, frame in decoded.frames.items():
        append_messages(lake, kind, f"{TOPICS[kind]}@test", frame.select(list(frame_schema(kind))))
    frames = decoded.frames
    if settle_requests and not frames["requests"].is_empty():
        joined = join(frames["requests"], frames["signals"], frames["outcomes"], horizon_us=HORIZON_US)
        rows = interaction_rows(score(joined), watermarks={}, horizon_us=HORIZON_US, settled_at_us=1)
        watermark = int(frames["requests"]["occurred_at"].dt.epoch("us").max() or 0) + HORIZON_US
        append_revisions(lake, rows, watermarks={0: watermark})


def ids(frame: pl.DataFrame, column: str = "request_id") -> set[str]:
    """Distinct values of an id column."""
    return set(frame[column].to_list())
