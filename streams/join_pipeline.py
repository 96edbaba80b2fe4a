"""From decoded micro-batches to checkpoints: windows, watermarks, join and score, without Kafka or a lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from contracts.settings import Settings
from contracts.validation import SECOND
from curation.scoring import ScoreModel, score
from joiners.interactions import join
from joiners.watermarks import Watermarks
from joiners.windows import KINDS, Window
from streams.checkpoint import Checkpoint, Place
from streams.decoding import Decoded
from streams.join_step import interaction_rows, late_rows


@dataclass(frozen=True, slots=True)
class Batch:
    """One decoded micro-batch and where the reader stood when it ended.

    `positions`: next offset per place. `quiet_since`: places read to their end, with the time since
    which they gave nothing. `close`: the input ends here, close every window. Times are UTC
    microseconds.
    """

    decoded: Decoded
    now_us: int
    positions: Mapping[Place, int]
    quiet_since: Mapping[Place, int]
    close: bool = False


@dataclass
class JoinStats:
    """What the worker has done since it started; read by the live line and the web views."""

    consumed: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    interactions: int = 0
    failures: int = 0
    late_requests: int = 0
    checkpoints: int = 0
    open_requests: int = 0
    held_rows: int = 0
    lag: int = 0
    partitions: int = 0
    watermarks: dict[int, int] = field(default_factory=dict)
    problem: str = ""

    @property
    def watermark_us(self) -> int | None:
        """The furthest-behind watermark, UTC microseconds."""
        return min(self.watermarks.values(), default=None)


class JoinPipeline:
    """State of the stream join for the partitions a worker owns. Not thread-safe."""

    def __init__(self, settings: Settings, topics: Mapping[str, str], model: ScoreModel) -> None:
        """`topics`: kind (requests, signals, outcomes, consents) → topic."""
        self._settings = settings
        self._topics = dict(topics)
        self._kinds = {topic: kind for kind, topic in topics.items()}
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Own nothing: windows will be rebuilt by reading from the restart offsets."""
        options = self._settings.join
        self._window = Window(horizon_us=options.horizon_us)
        self._watermarks = Watermarks(
            KINDS, lateness_us=options.lateness_us, idle_us=round(options.idle_seconds * SECOND)
        )
        self._last_watermarks: dict[int, int] = {}
        self._joined_before = pl.Series("request_id", [], dtype=pl.String)
        self._settled_until: dict[int, int] = {}

    def assign(
        self, partitions: Iterable[int], joined_before: pl.Series, settled_until: Mapping[int, int]
    ) -> None:
        """Own partitions.

        `joined_before`: ids of requests after the restart offsets that are interactions already; read
        again they are context only. `settled_until`: watermarks (UTC microseconds) the partitions had
        reached before: a request whose window they closed may repeat one that was settled and forgotten.
        """
        self._watermarks.assign(partitions)
        self._joined_before = joined_before
        self._settled_until = dict(settled_until)

    def process(self, batch: Batch, stats: JoinStats) -> Checkpoint:
        """Take in a batch, settle what is due, and say what has to become durable."""
        horizon_us = self._settings.join.horizon_us
        bronze = {kind: self._take_in(kind, frame) for kind, frame in batch.decoded.frames.items()}
        before = self._last_watermarks
        watermarks = self._advance(batch)
        due = self._window.due(watermarks)
        joined = join(due.requests, due.signals, due.outcomes, horizon_us=horizon_us, context=due.context)
        interactions = interaction_rows(
            score(joined, self._model),
            watermarks=before,
            horizon_us=horizon_us,
            settled_at_us=batch.now_us,
        )
        self._window.evict(watermarks)
        late = int(interactions["late"].sum())
        threshold = self._settings.curation.failure_threshold
        stats.dead_letters += batch.decoded.dead_letters.height
        stats.duplicates += sum(int(frame["duplicate"].sum()) for frame in bronze.values())
        stats.interactions += interactions.height
        stats.failures += int((interactions["failure_score"] >= threshold).sum())
        stats.late_requests += late
        stats.open_requests = len(self._window)
        stats.held_rows = self._window.held()
        stats.watermarks = watermarks
        return Checkpoint(
            bronze={kind: (self._topics[kind], frame) for kind, frame in bronze.items()},
            dead_letters=batch.decoded.dead_letters,
            interactions=interactions,
            watermarks=watermarks,
            restart=self._restart_offsets(batch.positions),
            recheck=bool(late_rows(interactions, before | self._settled_until, horizon_us).any()),
        )

    def _take_in(self, kind: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Mark repeats, hold the rest in the window; returns the bronze rows."""
        if frame.is_empty() or kind not in KINDS:
            return frame
        repeated = self._window.seen(kind, frame)
        self._window.add(kind, frame.filter(~repeated), settled=self._joined_before)
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
        self._last_watermarks = watermarks
        return watermarks

    def _restart_offsets(self, positions: Mapping[Place, int]) -> dict[Place, int]:
        restart = dict(positions)
        for (kind, partition), offset in self._window.hold_back().items():
            place = (self._topics[kind], partition)
            if place in restart:
                restart[place] = min(restart[place], offset)
        return restart
