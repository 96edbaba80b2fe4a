"""A stage for measurements: a broker holding the workload, and the right answer to its join."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import brokers, processes
from benchmarks.brokers import Broker
from benchmarks.progress import Progress
from benchmarks.reference import JOINED, Traffic, wrong_rows
from benchmarks.sending import send
from benchmarks.workload import STEP_MS, events
from contracts import topics
from contracts.errors import TerminalError
from contracts.settings import JoinSettings, Settings
from sinks.lake import Lake

READ_BATCH = 5_000
IDLE_SECONDS = 1.0
_SLOWEST_EVENTS_PER_S = 2_000
_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Loaded:
    """The workload on a set of topics. `names`: default topic → topic on the broker."""

    names: dict[str, str]
    events: int
    size: int
    expected: pl.DataFrame

    @property
    def joined_topics(self) -> list[str]:
        """The three topics on the broker."""
        return [self.names[topic] for topic in topics.JOINED_TOPICS]


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run over `Loaded`; `seconds` without the wait for the group."""

    seconds: float
    cpu_s: float
    peak_rss_mb: float
    broker_cpu_s: float
    details: dict[str, Any] = field(default_factory=dict)


class Stage:
    """Measures readers and workers on one broker, each run in a fresh process with a fresh group."""

    def __init__(self, broker: Broker, folder: Path, progress: Progress) -> None:
        self.broker = broker
        self.folder = folder
        self.progress = progress
        self._runs = 0
        self._loaded: dict[tuple[int, int], Loaded] = {}
        progress.note("measuring how long joining a group takes on this broker")
        self.join_wait_s = broker.join_wait_s()

    def load(self, count: int, *, step_ms: int = STEP_MS) -> Loaded:
        """Put about `count` events on topics of their own (once for each count)."""
        if (count, step_ms) in self._loaded:
            return self._loaded[count, step_ms]
        tag = f"{count}-{step_ms}"
        names = {topic: f"{topic}.{tag}" for topic in topics.INPUT_TOPICS}
        self.broker.create([*names.values(), *topics.OUTPUT_TOPICS])
        self.progress.note(f"producing {count:,} events")
        traffic = Traffic()
        sent = send(self.broker.bootstrap_servers, traffic.watch(events(count, step_ms=step_ms)), names)
        loaded = Loaded(names, sent.events, sent.size, traffic.expected())
        self._loaded[count, step_ms] = loaded
        return loaded

    def forget(self, loaded: Loaded) -> None:
        """Delete the topics of a workload that is no longer needed."""
        self.broker.delete(list(loaded.names.values()))
        self._loaded = {key: other for key, other in self._loaded.items() if other is not loaded}

    def read(self, loaded: Loaded) -> Run:
        """Raw reading with confluent-kafka."""
        self.progress.note(f"reading {loaded.events:,} events with confluent-kafka")
        task = {
            "bootstrap_servers": self.broker.bootstrap_servers,
            "group": self.group("read"),
            "topics": loaded.joined_topics,
            "events": loaded.events,
            "batch": READ_BATCH,
        }
        return self._measured("benchmarks.read_process", task, loaded.events)

    def join(
        self, loaded: Loaded, *, exactly_once: bool = True, options: dict[str, Any] | None = None
    ) -> tuple[Run, int]:
        """(run, wrong rows) of the real worker into a fresh lake; raises `TerminalError` when it did
        not consume everything."""
        how = "" if exactly_once else " without exactly-once"
        self.progress.note(f"joining {loaded.events:,} events with Tailrace{how}")
        with tempfile.TemporaryDirectory(prefix="lake-", dir=self.folder) as home:
            settings = self.settings(loaded, Path(home), **(options or {}))
            task = {
                "settings": settings.model_dump(mode="json", exclude={"privacy", "judge"}),
                "events": loaded.events,
                "broker_pids": list(self.broker.pids),
                "exactly_once": exactly_once,
            }
            run = self._measured("benchmarks.worker_process", task, loaded.events)
            lake = Lake(settings.lake_root)
            rows = lake.scan("interactions").select(list(JOINED)).collect()
            if run.details["consumed"] != loaded.events:
                raise TerminalError(
                    f"the worker consumed {run.details['consumed']:,} of {loaded.events:,} events"
                )
            if _has_transactions(Path(home)) is not exactly_once:
                raise TerminalError("a run wrote transactions that should not have, or the other way round")
        return run, wrong_rows(loaded.expected, rows)

    def settings(self, loaded: Loaded, home: Path, **options: Any) -> Settings:
        """Settings of one worker with a new group; `options` go to the join section."""
        return Settings(
            home=home,
            kafka=brokers.kafka_settings(self.broker, self.group("join"), loaded.names),
            join=JoinSettings(**{"idle_seconds": IDLE_SECONDS, **options}),
        )

    def group(self, purpose: str) -> str:
        """A consumer group nobody used before."""
        self._runs += 1
        return f"benchmark-{purpose}-{self._runs}"

    def _measured(self, module: str, task: dict[str, Any], count: int) -> Run:
        before = self.broker.cpu_s()
        measured = processes.run(module, task, timeout_s=_TIMEOUT_S + count / _SLOWEST_EVENTS_PER_S)
        seconds = measured.answer["seconds"] - self.join_wait_s
        if seconds <= 0:
            raise TerminalError("the run was over before its group was joined", hint="Use more --events.")
        return Run(
            seconds=seconds,
            cpu_s=measured.cpu_s,
            peak_rss_mb=measured.peak_rss_mb,
            broker_cpu_s=self.broker.cpu_s() - before,
            details=measured.answer,
        )


def _has_transactions(home: Path) -> bool:
    """Whether commits to `interactions` carry Delta application transactions."""
    commits = home.glob("lake/interactions/_delta_log/*.json")
    return any('"txn"' in commit.read_text() for commit in commits)


@contextmanager
def open_stage(engine: str, progress: Progress) -> Iterator[Stage]:
    """A stage on a fresh broker; its folder and everything it started are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        progress.note(f"starting the broker ({engine})")
        with brokers.started(engine) as broker:
            yield Stage(broker, Path(folder), progress)
