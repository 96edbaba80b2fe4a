"""From decoded micro-batches to checkpoints: windows, watermarks, join and score, without Kafka or a lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Final

import polars as pl

from contracts.alerts import Alert
from contracts.settings import Settings
from contracts.validation import SECOND
from curation.scoring import ScoreModel, score
from joiners.interactions import join
from joiners.watermarks import Watermarks
from joiners.windows import KINDS, Due, Window
from sinks.tombstones import Tombstones
from streams.checkpoint import Checkpoint, Place
from streams.decoding import REQUEST_KEYS, Decoded
from streams.erased import refuse
from streams.isolation import Isolated, Poison, Rows, isolate, without
from streams.join_step import interaction_rows
from streams.resting import Resting
from streams.text_store import TextStore

_CONTEXT: Final = "context"
_KIND_OF: Final = {_CONTEXT: "requests"}


@dataclass(frozen=True, slots=True)
class Batch:
    """One decoded micro-batch and where the reader stood when it ended.

    `positions`: next offset per place. `quiet_since`: places read to their end, with the time since
    which they gave nothing. `close`: the input ends here, close every window. `alerts`: what was sent on
    before and must have arrived before this batch is stored. Times are UTC microseconds.
    """

    decoded: Decoded
    now_us: int
    positions: Mapping[Place, int]
    quiet_since: Mapping[Place, int]
    close: bool = False
    alerts: tuple[Alert, ...] = ()


@dataclass
class JoinStats:
    """What the worker has done since it started; read by the live line and the web views.

    `recent_consumed` and `recent_dead_letters`: of the last five minutes.
    """

    consumed: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    interactions: int = 0
    failures: int = 0
    late_requests: int = 0
    alerts: int = 0
    recent_consumed: int = 0
    recent_dead_letters: int = 0
    checkpoints: int = 0
    open_requests: int = 0
    held_rows: int = 0
    lag: int = 0
    partitions: int = 0
    watermarks: dict[int, int] = field(default_factory=dict)
    redactions: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    @classmethod
    def total(cls, parts: Iterable[JoinStats]) -> JoinStats:
        """The sum over workers that own different partitions; the first problem stands for all."""
        total = cls()
        for part in parts:
            for each in fields(cls):
                mine, theirs = getattr(total, each.name), getattr(part, each.name)
                setattr(
                    total,
                    each.name,
                    _added(mine, theirs)
                    if each.name == "redactions"
                    else {**mine, **theirs}
                    if isinstance(mine, dict)
                    else (mine or theirs)
                    if isinstance(mine, str)
                    else mine + theirs,
                )
        return total

    def assign(self, other: JoinStats) -> None:
        """Take over the numbers of another one; whoever watches this object sees them."""
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))

    @property
    def watermark_us(self) -> int | None:
        """The furthest-behind watermark, UTC microseconds."""
        return min(self.watermarks.values(), default=None)


def _added(mine: Mapping[str, int], theirs: Mapping[str, int]) -> dict[str, int]:
    return {kind: mine.get(kind, 0) + theirs.get(kind, 0) for kind in sorted({*mine, *theirs})}


class JoinPipeline:
    """State of the stream join for the partitions a worker owns. Not thread-safe."""

    def __init__(
        self,
        settings: Settings,
        topics: Mapping[str, str],
        model: ScoreModel,
        tombstones: Tombstones | None = None,
    ) -> None:
        """`topics`: kind (requests, signals, outcomes, consents) → topic; `tombstones`: who is kept out."""
        self._settings = settings
        self._topics = dict(topics)
        self._kinds = {topic: kind for kind, topic in topics.items()}
        self._model = model
        self.tombstones = Tombstones() if tombstones is None else tombstones
        self.reset()

    def reset(self) -> None:
        """Own nothing: windows will be rebuilt by reading from the restart offsets."""
        options = self._settings.join
        self._resting = Resting(TextStore(memory_bytes=options.text_memory_mb << 20))
        self._window = Window(horizon_us=options.horizon_us, empty=self._resting.empty)
        self._watermarks = Watermarks(
            KINDS, lateness_us=options.lateness_us, idle_us=round(options.idle_seconds * SECOND)
        )
        self._reached: dict[int, int] = {}
        self._joined_before = pl.Series("request_id", [], dtype=pl.String)
        self._poison: dict[str, set[tuple[int, int]]] = {}

    def assign(
        self,
        partitions: Iterable[int],
        joined_before: pl.Series,
        settled_until: Mapping[int, int],
        poison: Mapping[str, Set[tuple[int, int]]] = MappingProxyType({}),
    ) -> None:
        """Own partitions.

        `joined_before`: ids of requests after the restart offsets that are interactions already; read
        again they are context only. `settled_until`: watermarks (UTC microseconds) the partitions had
        reached before: a request whose window they closed may repeat one that was settled and forgotten.
        `poison`: kind → (partition, offset) of events that are dead letters already; read again they
        take no part.
        """
        self._watermarks.assign(partitions)
        self._joined_before = joined_before
        self._reach(settled_until)
        self._poison = {kind: set(places) for kind, places in poison.items()}

    def exclude(self, poison: Iterable[Poison]) -> None:
        """Join these events with nothing from now on."""
        for each in poison:
            self._poison.setdefault(each.kind, set()).add((each.partition, each.offset))

    def process(self, batch: Batch, stats: JoinStats) -> Checkpoint:
        """Take in a batch, settle what is due, and say what has to become durable."""
        cleared = self.tombstones.version
        batch = replace(batch, decoded=refuse(batch.decoded, self.tombstones, self._topics))
        bronze = {kind: self._take_in(kind, frame) for kind, frame in batch.decoded.frames.items()}
        before = dict(self._reached)
        watermarks = self._advance(batch)
        due = self._resting.wake(self._window.due(watermarks))
        settled = self._settle(due, before, settled_at_us=batch.now_us)
        interactions = settled.result
        self.exclude(settled.poison)
        if any(self._window.evict(watermarks).values()):
            self._resting.forget(self._window.frames)
        late = int(interactions["late"].sum())
        threshold = self._settings.curation.failure_threshold
        stats.dead_letters += batch.decoded.dead_letters.height + len(settled.poison)
        stats.duplicates += sum(int(frame["duplicate"].sum()) for frame in bronze.values())
        stats.interactions += interactions.height
        stats.failures += int((interactions["failure_score"] >= threshold).sum())
        stats.late_requests += late
        stats.redactions = _added(stats.redactions, batch.decoded.redactions)
        stats.open_requests = len(self._window)
        stats.held_rows = self._window.held()
        stats.watermarks = watermarks
        restart = self._restart_offsets(batch.positions)
        self._forget_poison(restart)
        return Checkpoint(
            bronze={kind: (self._topics[kind], frame) for kind, frame in bronze.items()},
            dead_letters=batch.decoded.dead_letters,
            interactions=interactions,
            watermarks={partition: self._reached[partition] for partition in watermarks},
            restart=restart,
            recheck=late > 0,
            poison=settled.poison,
            cleared=cleared,
            alerts=batch.alerts,
        )

    def requests_of(self, sessions: pl.Series, requests: pl.Series) -> pl.DataFrame:
        """Requests of open windows by session or id (`REQUEST_KEYS`). Any thread may look."""
        rows = self._window.requests_of(sessions, requests)
        return rows.select(REQUEST_KEYS).with_columns(pl.col("feature").cast(pl.String))

    def _settle(self, due: Due, before: Mapping[int, int], *, settled_at_us: int) -> Isolated[pl.DataFrame]:
        """Interactions of what is due, and the events left out because they break the join or the score."""
        horizon_us = self._settings.join.horizon_us

        def step(rows: Rows) -> pl.DataFrame:
            joined = join(*(rows[kind] for kind in KINDS), horizon_us=horizon_us, context=rows[_CONTEXT])
            return interaction_rows(
                score(joined, self._model),
                watermarks=before,
                horizon_us=horizon_us,
                settled_at_us=settled_at_us,
            )

        rows = {
            "requests": due.requests,
            "signals": due.signals,
            "outcomes": due.outcomes,
            _CONTEXT: due.context,
        }
        if any(self._poison.values()):
            rows = {
                name: without(frame, self._poison.get(_KIND_OF.get(name, name), ()))
                for name, frame in rows.items()
            }
        if self.tombstones:
            # Erased while their windows were open.
            rows = {
                name: frame.filter(~self.tombstones.hits(_KIND_OF.get(name, name), frame))
                for name, frame in rows.items()
            }
        return isolate(rows, step, kinds=_KIND_OF)

    def _forget_poison(self, restart: Mapping[Place, int]) -> None:
        """Forget places that no window holds any more."""
        for kind, places in self._poison.items():
            topic = self._topics[kind]
            places -= {(p, offset) for p, offset in places if offset < restart.get((topic, p), 0)}

    def _take_in(self, kind: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Mark repeats, hold the rest in the window; returns the bronze rows."""
        if frame.is_empty() or kind not in KINDS:
            return frame
        repeated = self._window.seen(kind, frame)
        fresh = frame.filter(~repeated) if repeated.any() else frame
        if not fresh.is_empty():
            self._window.add(kind, self._resting.rest(kind, fresh), settled=self._joined_before)
        for partition, latest in frame.group_by("partition").agg(pl.col("occurred_at").max()).iter_rows():
            self._watermarks.observe(kind, partition, int(latest.timestamp() * SECOND))
        return frame.with_columns(duplicate=repeated)

    def _advance(self, batch: Batch) -> dict[int, int]:
        for place in batch.positions:
            kind = self._kinds[place[0]]
            if kind not in KINDS:
                continue
            if (since_us := batch.quiet_since.get(place)) is None:
                self._watermarks.busy(kind, place[1])
            else:
                self._watermarks.at_end(kind, place[1], now_us=since_us)
        watermarks = self._watermarks.advance(now_us=batch.now_us)
        if batch.close:
            watermarks = self._watermarks.close(horizon_us=self._settings.join.horizon_us)
        self._reach(watermarks)
        return watermarks

    def _reach(self, watermarks: Mapping[int, int]) -> None:
        """Remember how far each partition has come, in this life or a former one."""
        for partition, reached in watermarks.items():
            self._reached[partition] = max(reached, self._reached.get(partition, reached))

    def _restart_offsets(self, positions: Mapping[Place, int]) -> dict[Place, int]:
        restart = dict(positions)
        for (kind, partition), offset in self._window.hold_back().items():
            place = (self._topics[kind], partition)
            if place in restart:
                restart[place] = min(restart[place], offset)
        return restart
