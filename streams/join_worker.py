"""The join worker: one loop that polls, decodes, joins, scores and checkpoints micro-batches.

Kafka is the state store and Delta the commit log. The loop thread decodes and joins; one background
thread makes the previous micro-batch durable meanwhile. There is never more than one checkpoint in
flight, so a lake that is down stops the polling and memory stays bounded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from contracts.errors import TerminalError, TransientError
from contracts.settings import Settings
from contracts.validation import SECOND
from curation.scoring import DEFAULT_MODEL, ScoreModel, score
from joiners.interactions import join
from joiners.watermarks import Watermarks
from joiners.windows import KINDS, Window
from sinks.lake import Lake
from streams.checkpoint import Checkpoint, Committer
from streams.decoding import Decoded, Decoder, input_topics
from streams.identity import Identity
from streams.join_step import interaction_rows
from streams.origins import topic_origins
from streams.outputs import Outputs
from streams.source import KafkaSource, Place

log = logging.getLogger("tailrace.join")

POLL_MESSAGES: Final = 20_000
POLL_TIMEOUT_S: Final = 0.2
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MOST_S: Final = 15.0


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


def _clock_us() -> int:
    return time.time_ns() // 1_000


class JoinWorker:
    """Runs the stream join against a broker and a lake until told to stop."""

    def __init__(
        self,
        settings: Settings,
        lake: Lake,
        identity: Identity,
        *,
        model: ScoreModel = DEFAULT_MODEL,
        clock_us: Callable[[], int] = _clock_us,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self.stats = JoinStats()
        self._settings = settings
        self._lake = lake
        self._model = model
        self._clock_us = clock_us
        self._topics = {kind: topic for kind, (topic, _) in input_topics(settings.kafka).items()}
        self._kinds = {topic: kind for kind, topic in self._topics.items()}
        self._origins = topic_origins(settings.kafka, self._topics.values())
        self._decoder = Decoder(settings.kafka, identity)
        self._stop = threading.Event()
        self._close = threading.Event()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tailrace-writer")
        self._in_flight: Future[None] | None = None
        self._joined_before = pl.Series("request_id", [], dtype=pl.String)
        self._window, self._watermarks = self._fresh_state()
        self._last_watermarks: dict[int, int] = {}
        self._source = KafkaSource(
            settings.kafka, self._topics.values(), on_assign=self._assigned, on_revoke=self._revoked
        )
        outputs = Outputs(settings.kafka, failure_threshold=settings.curation.failure_threshold)
        self._committer = Committer(lake, outputs, self._source, self._origins, step=on_step)

    def stop(self) -> None:
        """Ask the loop to finish; what is not yet durable is read again by the next worker."""
        self._stop.set()

    def close_windows(self) -> None:
        """Ask for every open window to be closed once everything on the broker has been read."""
        self._close.set()

    def settled(self, consumed: int) -> bool:
        """Whether that many messages are read and all of them durable, with no window open."""
        durable = self._in_flight is None or self._in_flight.done()
        return self.stats.consumed >= consumed and not self._close.is_set() and durable

    def run(self, *, drain: bool = False) -> JoinStats:
        """Work until `stop`, or with `drain` until everything is read and every window is closed.

        Raises `TerminalError` when going on makes no sense; offsets stay uncommitted then.
        """
        if drain:
            self.close_windows()
        try:
            last = time.monotonic()
            while not self._stop.is_set():
                if self._in_flight is not None and self._in_flight.done():
                    self._wait()
                messages = self._source.poll(POLL_MESSAGES, POLL_TIMEOUT_S)
                now_us = self._clock_us()
                if messages:
                    self._decoder.feed(messages, now_us=now_us)
                    self.stats.consumed += len(messages)
                self._note_ends({(m[0], m[1]) for m in messages}, now_us)
                close = self._close.is_set() and not messages and self._everything_read(now_us)
                due = time.monotonic() - last >= self._settings.join.checkpoint_seconds
                if close or due or len(self._decoder) >= self._settings.join.checkpoint_events:
                    self._checkpoint(now_us, close=close)
                    last = time.monotonic()
                if close:
                    self._close.clear()
                    if drain:
                        break
            self._wait()
        finally:
            self._writer.shutdown(wait=True)
            self._source.close()
        return self.stats

    def _note_ends(self, active: set[Place], now_us: int) -> None:
        for place in self._source.positions:
            kind = self._kinds[place[0]]
            if kind not in KINDS:
                continue
            if place in active or not self._source.at_end(place):
                self._watermarks.busy(kind, place[1])
            else:
                self._watermarks.at_end(kind, place[1], now_us=now_us)
        self.stats.lag = self._source.lag()

    def _everything_read(self, now_us: int) -> bool:
        places = self._source.positions
        return (
            bool(places)
            and self._watermarks.all_idle(now_us=now_us)
            and all(self._source.at_end(place) for place in places)
        )

    def _checkpoint(self, now_us: int, *, close: bool) -> None:
        """Turn the micro-batch into a checkpoint and hand it to the writer."""
        decoded = self._decoder.take()
        before = self._last_watermarks
        bronze = {kind: self._take_in(kind, frame) for kind, frame in decoded.frames.items()}
        watermarks = self._watermarks.advance(now_us=now_us)
        if close:
            watermarks = self._watermarks.close(horizon_us=self._settings.join.horizon_us)
        self._last_watermarks = watermarks
        due = self._window.due(watermarks)
        horizon_us = self._settings.join.horizon_us
        joined = join(due.requests, due.signals, due.outcomes, horizon_us=horizon_us, context=due.context)
        interactions = interaction_rows(
            score(joined, self._model), watermarks=before, horizon_us=horizon_us, settled_at_us=now_us
        )
        self._window.evict(watermarks)
        late = int(interactions["late"].sum())
        self._count(decoded, bronze, interactions, late, watermarks)
        self._hand_over(
            Checkpoint(
                bronze={kind: (self._topics[kind], frame) for kind, frame in bronze.items()},
                dead_letters=decoded.dead_letters,
                interactions=interactions,
                watermarks=watermarks,
                restart=self._restart_offsets(),
                recheck=late > 0,
            )
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

    def _restart_offsets(self) -> dict[Place, int]:
        restart = dict(self._source.positions)
        for (kind, partition), offset in self._window.hold_back().items():
            place = (self._topics[kind], partition)
            if place in restart:
                restart[place] = min(restart[place], offset)
        return restart

    def _count(
        self,
        decoded: Decoded,
        bronze: dict[str, pl.DataFrame],
        interactions: pl.DataFrame,
        late: int,
        watermarks: dict[int, int],
    ) -> None:
        stats = self.stats
        stats.dead_letters += decoded.dead_letters.height
        stats.duplicates += sum(int(frame["duplicate"].sum()) for frame in bronze.values())
        stats.interactions += interactions.height
        stats.failures += int(
            (interactions["failure_score"] >= self._settings.curation.failure_threshold).sum()
        )
        stats.late_requests += late
        stats.open_requests = len(self._window)
        stats.held_rows = self._window.held()
        stats.watermarks = watermarks

    def _hand_over(self, checkpoint: Checkpoint) -> None:
        self._wait()
        self._in_flight = self._writer.submit(self._make_durable, checkpoint)

    def _wait(self) -> None:
        """Wait for the checkpoint in flight; its terminal error surfaces here."""
        if self._in_flight is not None:
            future, self._in_flight = self._in_flight, None
            future.result()

    def _make_durable(self, checkpoint: Checkpoint) -> None:
        pause = BACKOFF_FIRST_S
        while True:
            try:
                self._committer.commit(checkpoint)
            except TransientError as error:
                self.stats.problem = str(error)
                log.warning("checkpoint delayed, trying again in %.1f s: %s", pause, error)
                if self._stop.wait(pause):
                    return
                pause = min(pause * 2, BACKOFF_MOST_S)
            else:
                self.stats.problem = ""
                self.stats.checkpoints += 1
                return

    def _assigned(self, restart: dict[Place, int]) -> None:
        """Places were assigned: windows are rebuilt by reading on from the restart offsets."""
        requests = self._topics["requests"]
        self._committer.forget()
        self._watermarks.assign(partition for topic, partition in restart if topic == requests)
        held = {p: offset for (topic, p), offset in restart.items() if topic == requests}
        self.stats.partitions = len(held)
        if held:
            self._joined_before = self._settled_since(held)

    def _settled_since(self, restart: dict[int, int]) -> pl.Series:
        """Requests at or after the restart offsets that already are interactions."""
        while True:
            try:
                rows = self._lake.scan("interactions").filter(
                    pl.col("partition").is_in(list(restart)),
                    pl.col("offset") >= min(restart.values()),
                )
                return rows.select("request_id").unique().collect()["request_id"]
            except TransientError as error:
                log.warning("the lake cannot be read yet: %s", error)
                if self._stop.wait(BACKOFF_FIRST_S):
                    raise TerminalError("stopped while the lake was unavailable") from error

    def _revoked(self, places: list[Place]) -> None:
        """Places are given up: finish what is in flight, forget the rest."""
        log.info("giving up %d topic-partitions", len(places))
        try:
            self._wait()
        finally:
            self._decoder.take()
            self._window, self._watermarks = self._fresh_state()
            self._last_watermarks = {}

    def _fresh_state(self) -> tuple[Window, Watermarks]:
        join_settings = self._settings.join
        return Window(horizon_us=join_settings.horizon_us), Watermarks(
            KINDS, lateness_us=join_settings.lateness_us, idle_us=round(join_settings.idle_seconds * SECOND)
        )
