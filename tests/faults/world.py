"""One stream of the fault tests: topics, traffic, a lake, and what an undisturbed run makes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
from confluent_kafka import Consumer, KafkaException, TopicPartition

from contracts import topics
from contracts.settings import JoinSettings, KafkaSettings, Settings
from sinks.accounting import Accounting, account
from sinks.lake import Lake
from streams.topics import apply
from tests.faults.process import DEADLINE_S, WorkerProcess
from tests.faults.traffic import HORIZON_S, LATENESS_S, Feeder, request_ids, traffic

PARTITIONS: Final = 3
CHUNK: Final = 60
"""Events fed at a time: about half a minute of event time."""

TABLES: Final = ("requests", "signals", "outcomes", "consents", "dead_letters", "interactions")
_VOLATILE: Final = ("settled_at", "received_at")
_PATIENT_S: Final = 600.0
"""No topic counts as idle while faults happen: the watermark then depends on the events alone."""


@dataclass
class World:
    """Fresh topics (`kafka` names them), traffic and a lake under `home`.

    Traffic is prepared for `sessions` and sent as far as a test feeds it.
    """

    kafka: KafkaSettings
    home: Path
    sessions: int = 300
    seed: int = 1
    feeder: Feeder = field(init=False)
    lake: Lake = field(init=False)
    options: dict[str, Any] = field(default_factory=dict)
    """Options of every `WorkerProcess` here."""

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.tag = f"{self.home.name}-{self.seed}"
        apply(self.kafka, JoinSettings())
        self.feeder = Feeder(self.kafka, traffic(self.sessions, tag=self.tag, seed=self.seed))
        self.lake = Lake(self.home / "lake")
        self.lake.create()
        self._outputs_from = _ends(self.kafka, topics.INTERACTIONS)

    def settings(self, *, idle_seconds: float = _PATIENT_S, **kafka: Any) -> Settings:
        """Settings of one worker; `kafka` overrides, e.g. ``instance_id``."""
        return Settings(
            home=self.home,
            kafka=self.kafka.model_copy(update=kafka),
            join=JoinSettings(
                horizon_minutes=HORIZON_S / 60,
                lateness_seconds=LATENESS_S,
                idle_seconds=idle_seconds,
                checkpoint_seconds=0.1,
                checkpoint_events=400,
            ),
        )

    def worker(self, fault: Mapping[str, Any] | None = None, **kafka: Any) -> WorkerProcess:
        """A worker that goes on until it is ended."""
        return WorkerProcess(self.settings(**kafka), fault=fault, **self.options)

    def drain(self, **kafka: Any) -> WorkerProcess:
        """A worker that reads everything and closes every window."""
        return WorkerProcess(self.settings(idle_seconds=1, **kafka), drain=True, **self.options)

    def finish(self, **kafka: Any) -> None:
        """Send a little more traffic and let one worker finish."""
        self.feeder.feed(CHUNK)
        with self.drain(**kafka) as last:
            assert last.wait() == 0, last.log[-3000:]

    def contents(self, lake: Lake | None = None) -> dict[str, pl.DataFrame]:
        """Rows of every table in a stable order, without clock times."""
        result = {}
        for name in TABLES:
            frame = (lake or self.lake).scan(name).collect()
            frame = frame.drop([column for column in _VOLATILE if column in frame.columns])
            key = {"interactions": ["request_id", "revision"], "dead_letters": ["topic"]}.get(name, [])
            result[name] = frame.sort([*key, "partition", "offset"])
        return result

    def accounting(self, lake: Lake | None = None) -> Accounting:
        """What became of every event."""
        return account(lake or self.lake, horizon_us=round(HORIZON_S * 1_000_000))

    def outputs(self) -> list[dict[str, Any]]:
        """Values on `tailrace.interactions` that stem from this world, since it was made."""
        values = _read_from(self.kafka, self._outputs_from)
        return [v for v in map(json.loads, values) if str(v["request_id"]).startswith(f"{self.tag}-")]

    def check_outputs(self) -> None:
        """Every interaction was announced; repeats carry the id and the content of the first."""
        rows = self.lake.scan("interactions").select("request_id", "revision").collect()
        announced: dict[tuple[str, int], dict[str, Any]] = {}
        for value in self.outputs():
            first = announced.setdefault((value["request_id"], value["revision"]), value)
            differing = {name: (first[name], v) for name, v in value.items() if first[name] != v}
            assert not differing, f"{value['request_id']}: {differing}"
        assert set(announced) == set(rows.iter_rows())

    def check(self) -> None:
        """Nothing lost, nothing twice: by the events sent, and against an undisturbed run.

        Call after `finish`. The undisturbed worker reads the same topics into a lake of its own.
        """
        mine = self.contents()
        stored = sum(frame.height for name, frame in mine.items() if name != "interactions")
        sent = self.feeder.sent_events
        assert stored == len(sent) == self.accounting().consumed
        rows = mine["interactions"]
        assert rows.height == rows["request_id"].n_unique()
        assert set(rows["request_id"]) == request_ids(sent)
        self.check_outputs()
        twin = self.home / "undisturbed"
        twin.mkdir()
        lake = Lake(twin / "lake")
        lake.create()
        settings = self.settings(
            idle_seconds=1, group_id=f"{self.kafka.group_id}-undisturbed", instance_id=""
        )
        with WorkerProcess(settings.model_copy(update={"home": twin}), drain=True) as worker:
            assert worker.wait() == 0, worker.log[-3000:]
        theirs = self.contents(lake)
        differing = {name for name in TABLES if not mine[name].equals(theirs[name])}
        assert differing == set()
        assert self.accounting() == self.accounting(lake)


def _ends(kafka: KafkaSettings, topic: str) -> dict[int, int]:
    consumer = _reader(kafka)
    try:
        partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        return {p: _end(consumer, TopicPartition(topic, p)) for p in partitions}
    finally:
        consumer.close()


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """The end offset; a topic just made has no leader for a moment."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return int(consumer.get_watermark_offsets(place, timeout=20)[1])
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _read_from(kafka: KafkaSettings, start: Mapping[int, int]) -> list[bytes]:
    """Values of the interactions topic from `start` until nothing more comes."""
    consumer = _reader(kafka)
    try:
        consumer.assign([TopicPartition(topics.INTERACTIONS, p, offset) for p, offset in start.items()])
        found: list[bytes] = []
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 2.0:
            batch = [m.value() for m in consumer.consume(10_000, 0.5) if m.error() is None]
            if batch:
                quiet_since = time.monotonic()
            found += batch
        return found
    finally:
        consumer.close()


def _reader(kafka: KafkaSettings) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": "fault-suite-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
