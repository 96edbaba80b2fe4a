"""A request that comes again after its window was settled and forgotten makes no second interaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from contracts.settings import JoinSettings, KafkaSettings, Settings
from curation.scoring import DEFAULT_MODEL
from sinks.lake import Lake
from sinks.transactions import append_revisions
from streams.decoding import Decoder, RawMessage, input_topics
from streams.identity import Identity
from streams.join_pipeline import Batch, JoinPipeline, JoinStats
from tests.factories import MINUTE, START_US, message, outcome_event, request_event, signal_event
from tests.lakes import new_lake

KAFKA = KafkaSettings()
TOPICS = {kind: topic for kind, (topic, _) in input_topics(KAFKA).items()}
NOW_US = START_US + 60 * MINUTE
Places = Mapping[tuple[str, int], int]


class Life:
    """One worker's life over a lake: feeds batches and stores interactions as the committer does."""

    def __init__(self, lake: Lake, restart: Places | None = None) -> None:
        self.lake, self.stats, self.written = lake, JoinStats(), dict[str, int]()
        settings = Settings(kafka=KAFKA, join=JoinSettings(horizon_minutes=1, lateness_seconds=0))
        self.decoder = Decoder(KAFKA, Identity(b"k", held_out_share=0))
        self.pipeline = JoinPipeline(settings, TOPICS, DEFAULT_MODEL)
        start = (restart or {}).get((TOPICS["requests"], 0), 0)
        stored = lake.scan("interactions").collect()
        joined = stored.filter(stored["offset"] >= start)["request_id"]
        self.pipeline.assign([0], joined, lake.watermarks())
        self.positions = {(topic, 0): 0 for topic in TOPICS.values()} | dict(restart or {})

    def batch(self, *messages: RawMessage, quiet: Iterable[str] = ()) -> Places:
        self.decoder.feed(messages, now_us=NOW_US)
        for m in messages:
            self.positions[m.topic, m.partition] = m.offset + 1
        idle = {(TOPICS[kind], 0): START_US for kind in quiet}
        batch = Batch(self.decoder.take(), NOW_US, dict(self.positions), idle)
        checkpoint = self.pipeline.process(batch, self.stats)
        append_revisions(
            self.lake,
            checkpoint.interactions,
            watermarks=checkpoint.watermarks,
            written={} if checkpoint.recheck else self.written,
        )
        return checkpoint.restart


def request(offset: int, request_id: str, seconds: float) -> RawMessage:
    event = request_event(request_id, seconds=seconds, session_id="s")
    return message(TOPICS["requests"], event, offset=offset)


def evidence(offset: int, seconds: float) -> list[RawMessage]:
    """A signal and an outcome: they move the watermark."""
    return [
        message(
            TOPICS["signals"], signal_event(f"g{offset}", seconds=seconds, session_id="s"), offset=offset
        ),
        message(
            TOPICS["outcomes"], outcome_event(f"o{offset}", seconds=seconds, session_id="s"), offset=offset
        ),
    ]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def test_after_a_restart(lake: Lake) -> None:
    first = Life(lake)
    restart = first.batch(
        *(request(0, "first", 0), request(1, "second", 50), request(2, "first", 0)),
        *evidence(0, 5),
        *evidence(1, 70),
        quiet=["requests"],
    )
    second = Life(lake, restart)
    second.batch(
        request(1, "second", 50), request(2, "first", 0), request(3, "late one", -50), *evidence(1, 70)
    )
    second.batch(request(4, "fourth", 200), *evidence(2, 200))
    rows = lake.scan("interactions").collect()
    assert {"first", "second", "late one"} <= set(rows["request_id"])
    assert not rows["request_id"].is_duplicated().any()


def test_after_a_restart_long_ago(lake: Lake) -> None:
    Life(lake).batch(request(0, "first", 0), *evidence(0, 70), quiet=["requests"])
    second = Life(lake, {(TOPICS[kind], 0): 1 for kind in ("requests", "signals", "outcomes")})
    second.batch(request(1, "second", 100), request(2, "x", 300), *evidence(1, 300))
    second.batch(request(3, "third", 500), *evidence(2, 500))
    second.batch(request(4, "second", 100))
    rows = lake.scan("interactions").collect()
    assert sorted(rows["request_id"]) == ["first", "second", "x"]


def test_after_a_restart_that_read_older_events(lake: Lake) -> None:
    first = Life(lake)
    first.batch(request(0, "first", 300), *evidence(0, 500), quiet=["requests"])
    marks = lake.watermarks()
    second = Life(lake, {(TOPICS[kind], 0): 1 for kind in ("requests", "signals", "outcomes")})
    second.batch(request(1, "old", 0), request(2, "x", 100), *evidence(1, 100))
    assert set(lake.scan("interactions").collect()["request_id"]) == {"first", "old"}
    assert lake.watermarks() == marks


def test_with_another_time_the_first_one_counts(lake: Lake) -> None:
    worker = Life(lake)
    worker.batch(request(0, "first", 0), request(1, "x", 100), *evidence(0, 5), *evidence(1, 100))
    worker.batch(request(2, "first", 120), request(3, "y", 300), *evidence(3, 300))
    current = lake.interactions().collect()
    assert not current["request_id"].is_duplicated().any()
    (row,) = current.filter(current["request_id"] == "first").iter_rows(named=True)
    assert row["offset"] == 0
    assert row["signal_ids"] == ["g0"]
