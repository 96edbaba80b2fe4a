"""Lives of join workers over one lake, without Kafka: the real pipeline and the real checkpoint protocol."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from contracts.settings import JoinSettings, KafkaSettings, Settings
from curation.scoring import DEFAULT_MODEL
from sinks.lake import Lake
from streams.checkpoint import Committer
from streams.decoding import Decoded, Decoder, RawMessage, input_topics
from streams.identity import Identity
from streams.join_pipeline import Batch, JoinPipeline, JoinStats
from streams.outputs import Outputs
from tests.factories import SECOND, START_US
from tests.joiners.disturbed import BASE, Disturbed
from tests.strategies import HORIZON, LATENESS, Place

KAFKA = KafkaSettings()
TOPICS = {kind: topic for kind, (topic, _) in input_topics(KAFKA).items()}
IDENTITY = Identity(b"test", held_out_share=0.3)
HORIZON_US = HORIZON * SECOND
JOIN = JoinSettings(horizon_minutes=HORIZON / 60, lateness_seconds=LATENESS, idle_seconds=5)
STEPS = (
    *("bronze:requests", "bronze:signals", "bronze:outcomes", "bronze:consents", "bronze:dead_letters"),
    *("outputs", "interactions", "offsets"),
)
"""Steps of the checkpoint protocol after which a life may end."""


class Crash(BaseException):
    """The process dies here."""


class Produced(Outputs):
    """Takes the messages nobody reads in these tests."""

    def __init__(self) -> None:
        pass

    def interactions(self, rows: pl.DataFrame) -> None:
        pass

    def dead_letters(self, rows: pl.DataFrame) -> None:
        pass

    def flush(self) -> None:
        pass


@dataclass(frozen=True)
class Turn:
    """One micro-batch of each worker: `wait` ticks pass, then up to `size` messages a place are read.

    `then`: nothing, "restart", "settle", or the step of the checkpoint after which the process dies.
    """

    wait: int
    size: int
    then: str = ""


def messages(traffic: Disturbed, place: Place, start: int, end: int) -> list[RawMessage]:
    """A stretch of a place's log as the consumer hands it over."""
    kind, partition = place
    log = traffic.logs[place]
    return [
        RawMessage(TOPICS[kind], partition, n, traffic.timestamp_us(log[n]), b"k", log[n].value)
        for n in range(start, min(end, len(log)))
    ]


def decoded(batch: Iterable[RawMessage], now_us: int) -> Decoded:
    """Messages as frames."""
    decoder = Decoder(KAFKA, IDENTITY)
    decoder.feed(list(batch), now_us=now_us)
    return decoder.take()


class Worker:
    """One life of a worker that owns some partitions."""

    def __init__(
        self, lake: Lake, traffic: Disturbed, owned: Iterable[int], committed: dict[tuple[str, int], int]
    ) -> None:
        self.traffic = traffic
        self.committed = committed
        self.places = [place for place in sorted(traffic.logs) if place[1] in set(owned)]
        self.positions = {place: committed.get((TOPICS[place[0]], place[1]), 0) for place in self.places}
        self.quiet: dict[Place, int] = {}
        self.dies_after = ""
        self.stats = JoinStats()
        self.pipeline = JoinPipeline(Settings(kafka=KAFKA, join=JOIN), TOPICS, DEFAULT_MODEL)
        starts = {p: start for (kind, p), start in self.positions.items() if kind == "requests"}
        stored = lake.scan("interactions").collect()
        known = stored.filter(
            stored["partition"].is_in(list(starts)) & (stored["offset"] >= min(starts.values()))
        )
        self.pipeline.assign(starts, known["request_id"].unique(), lake.watermarks())
        origins = {topic: f"{topic}@test" for topic in TOPICS.values()}
        self.committer = Committer(lake, Produced(), self, origins, step=self._step)

    def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        self.committed.update(offsets)

    def turn(self, now: int, size: int, *, close: bool = False, dies_after: str = "") -> None:
        """Read, join and store one micro-batch."""
        now_us = START_US + now * SECOND
        batch: list[RawMessage] = []
        for place in self.places:
            log, start = self.traffic.logs[place], self.positions[place]
            there = sum(sent.arrives <= now for sent in log)
            end = max(start, min(start + size, there))
            batch += messages(self.traffic, place, start, end)
            self.positions[place] = end
            if end == start == there:
                self.quiet.setdefault(place, now_us)
            else:
                self.quiet.pop(place, None)
        self.dies_after = dies_after
        checkpoint = self.pipeline.process(
            Batch(
                decoded=decoded(batch, now_us),
                now_us=now_us,
                positions={(TOPICS[kind], p): offset for (kind, p), offset in self.positions.items()},
                quiet_since={(TOPICS[kind], p): since for (kind, p), since in self.quiet.items()},
                close=close,
            ),
            self.stats,
        )
        self.committer.store(checkpoint)
        self.committer.release(checkpoint)

    def _step(self, name: str) -> None:
        if name == self.dies_after:
            raise Crash


def live(
    lake: Lake,
    traffic: Disturbed,
    turns: Iterable[Turn],
    *,
    owners: tuple[tuple[int, ...], ...],
    settle: Callable[[int], None],
    stored: Callable[[Mapping[Place, int]], None],
) -> None:
    """Workers take their turns, die and come back, until everything is read and every window closed.

    `settle` is called with the clock (ticks) where a turn says so; `stored` after every turn with
    the position of every place.
    """
    committed: dict[tuple[str, int], int] = {}
    furthest: dict[Place, int] = dict.fromkeys(traffic.logs, 0)
    now = BASE

    def start() -> list[Worker]:
        return [Worker(lake, traffic, owned, committed) for owned in owners]

    def note() -> None:
        for worker in workers:
            furthest.update({place: max(end, furthest[place]) for place, end in worker.positions.items()})
        stored(furthest)

    workers = start()
    for turn in turns:
        now += turn.wait
        try:
            for worker in workers:
                worker.turn(now, turn.size, dies_after=turn.then)
            note()
        except Crash:
            workers = start()
        if turn.then == "restart":
            workers = start()
        elif turn.then == "settle":
            settle(now)
    now = max([now, *(sent.arrives for log in traffic.logs.values() for sent in log)]) + 1
    for close in (False, True):
        for worker in workers:
            worker.turn(now, 10_000, close=close)
        note()
    settle(now)


class Template:
    """Empty lakes, copied from one that was made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        Lake(folder / "empty").create()

    @contextmanager
    def new(self) -> Iterator[Lake]:
        """An empty lake, gone afterwards."""
        root = self._folder / f"lake-{next(self._numbers)}"
        shutil.copytree(self._folder / "empty", root)
        try:
            yield Lake(root)
        finally:
            shutil.rmtree(root)
