"""The join worker: one loop that polls and decodes, one thread behind it that joins and stores.

Kafka is the state store and Delta the commit log. While the background thread joins a micro-batch and
makes it durable, the loop reads on, up to one more micro-batch: when the lake is down the polling stops
and memory stays bounded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

import polars as pl

from contracts.errors import PersonErased, TableInvalid, TerminalError, TransientError
from contracts.settings import Settings
from contracts.validation import SECOND
from curation.scoring import ScoreModel
from curation.weights import resolve_model
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.maintenance import LOOK_EVERY_US, Maintenance, MaintenanceThread
from streams.alert_outputs import AlertOutputs
from streams.alerting import AlertDesk, stored_signals
from streams.checkpoint import Checkpoint, Committer, Place
from streams.decoding import REQUEST_KEYS, Decoder, input_topics
from streams.erased import without_erased
from streams.identity import Identity
from streams.invalid_rows import without_invalid
from streams.join_pipeline import Batch, JoinPipeline, JoinStats
from streams.origins import topic_origins
from streams.outputs import Outputs
from streams.poison import PoisonLetters
from streams.process import tuned_for_batches
from streams.source import KafkaSource

if TYPE_CHECKING:
    from streams.ingress import Ingress

log = logging.getLogger("tailrace.join")
Known = TypeVar("Known")

POLL_MESSAGES: Final = 2_000
POLL_TIMEOUT_S: Final = 0.2
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MOST_S: Final = 15.0
MAINTENANCE_END_S: Final = 5.0
"""How long a merge of files in progress may finish; one that is cut off leaves the table as it was."""


def _clock_us() -> int:
    return time.time_ns() // 1_000


def _ingress(settings: Settings, identity: Identity) -> Ingress | None:
    """The redaction at the edge, when the settings ask for one."""
    if settings.privacy.redact_at != "ingress":
        return None
    # libphonenumber and the rules take a quarter of a second to import.
    from streams.ingress import make_ingress

    return make_ingress(settings.privacy, identity)


class JoinWorker:
    """Runs the stream join against a broker and a lake until told to stop."""

    def __init__(
        self,
        settings: Settings,
        lake: Lake,
        identity: Identity,
        *,
        model: ScoreModel | None = None,
        clock_us: Callable[[], int] = _clock_us,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self.stats = JoinStats()
        self._options = settings.join
        self._lake = lake
        self._identity = identity
        self._clock_us = clock_us
        topics = {kind: topic for kind, (topic, _) in input_topics(settings.kafka).items()}
        origins = topic_origins(settings.kafka, topics.values())
        self._topics = topics
        self._origins = origins
        ingress = _ingress(settings, identity)
        self._letters = PoisonLetters(settings.kafka, lake, topics, origins, ingress)
        self._decoder = Decoder(settings.kafka, identity, ingress, watch=settings.alerts.kinds)
        lake.tombstones.know(lambda: identity)
        self._pipeline = JoinPipeline(settings, topics, model or resolve_model(settings), lake.tombstones)
        self._alert_outputs = AlertOutputs(settings.kafka)
        self._alerts = AlertDesk(settings.alerts, self._alert_outputs, self._pipeline.requests_of)
        self._maintenance = (
            MaintenanceThread(Maintenance(lake, settings.lake, rest_first_us=LOOK_EVERY_US))
            if settings.lake.maintenance
            else None
        )
        self._quiet_since: dict[Place, int] = {}
        self._stop = threading.Event()
        self._close = threading.Event()
        self._closed = False
        self._has_share = False
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tailrace-join")
        self._in_flight: Future[Checkpoint | None] | None = None
        self._source = KafkaSource(
            settings.kafka, topics.values(), on_assign=self._assigned, on_revoke=self._revoked
        )
        outputs = Outputs(settings.kafka, failure_threshold=settings.curation.failure_threshold)
        self._committer = Committer(
            lake,
            outputs,
            self._source,
            origins,
            letters=self._letters,
            alerts=self._alert_outputs,
            step=on_step,
        )

    def stop(self) -> None:
        """Ask the loop to finish; what is not yet durable is read again by the next worker."""
        self._stop.set()
        self._source.interrupt()

    def close_windows(self) -> None:
        """Ask for every open window to be closed once everything on the broker has been read."""
        self._closed = False
        self._close.set()

    @property
    def drained(self) -> bool:
        """Whether the windows were closed as asked and all is durable; a member without a share has none."""
        if not self._has_share:
            return False
        return self._closed or not self._source.positions

    def settled(self, consumed: int) -> bool:
        """Whether that many messages are read and all of them durable, with no window open."""
        durable = self._in_flight is None
        return self.stats.consumed >= consumed and not self._close.is_set() and durable

    def run(self, *, drain: bool = False) -> JoinStats:
        """Work until `stop`, or with `drain` until everything is read and every window is closed.

        Raises `TerminalError` when going on makes no sense; offsets stay uncommitted then.
        """
        if drain:
            self.close_windows()
        with tuned_for_batches():
            self._loop(drain=drain)
        return self.stats

    def _loop(self, *, drain: bool) -> None:
        try:
            last = time.monotonic()
            while not self._stop.is_set():
                self._finish_stored()
                messages = self._source.poll(POLL_MESSAGES, POLL_TIMEOUT_S)
                now_us = self._clock_us()
                if messages:
                    self._decoder.feed(messages, now_us=now_us)
                    self.stats.consumed += len(messages)
                self._alert(now_us)
                self._note_ends({(m[0], m[1]) for m in messages}, now_us)
                close = self._close.is_set() and not messages and self._everything_read(now_us)
                due = time.monotonic() - last >= self._options.checkpoint_seconds
                full = len(self._decoder) >= self._options.checkpoint_events
                # A slow lake gets fewer, larger checkpoints; only a full batch waits for it.
                if close or full or (due and self._is_free()):
                    self._hand_over(now_us, close=close)
                    last = time.monotonic()
                if close:
                    self._wait()
                    self._closed = True
                    self._close.clear()
                    if drain:
                        break
            self._wait()
        finally:
            self._background.shutdown(wait=True)
            if self._maintenance is not None:
                self._maintenance.close(MAINTENANCE_END_S)
            self._alert_outputs.close()
            self._source.close()

    def _note_ends(self, active: set[Place], now_us: int) -> None:
        """Keep track of since when each place has been read to its end and silent."""
        for place in self._source.positions:
            if place in active or not self._source.at_end(place):
                self._quiet_since.pop(place, None)
            else:
                self._quiet_since.setdefault(place, now_us)
        self.stats.lag = self._source.lag()

    def _everything_read(self, now_us: int) -> bool:
        quiet = self._quiet_since
        patience_us = round(self._options.idle_seconds * SECOND)
        return bool(quiet) and all(
            place in quiet and now_us - quiet[place] >= patience_us for place in self._source.positions
        )

    def _hand_over(self, now_us: int, *, close: bool) -> None:
        """Give the micro-batch to the background thread, after the one before is durable."""
        self._wait()
        if not self._source.positions:
            return
        self._alert(now_us, at_once=True)
        consumed = len(self._decoder)
        decoded = self._decoder.take()
        alerts = self._alerts.hand_over(
            decoded.frames["requests"].select(REQUEST_KEYS),
            decoded.dead_letters,
            consumed=consumed,
            now_us=now_us,
        )
        batch = Batch(
            decoded=decoded,
            now_us=now_us,
            positions=dict(self._source.positions),
            quiet_since=dict(self._quiet_since),
            close=close,
            alerts=alerts,
        )
        self._in_flight = self._background.submit(self._join_and_store, batch)

    def _alert(self, now_us: int, *, at_once: bool = False) -> None:
        """Send on what nobody should wait for."""
        stats = self.stats
        stats.alerts += self._alerts.look(self._decoder, now_us=now_us, at_once=at_once)
        stats.recent_consumed, stats.recent_dead_letters = self._alerts.recent(now_us)

    def _join_and_store(self, batch: Batch) -> Checkpoint | None:
        """On the background thread: the stored checkpoint, or None when stopped before it was."""
        try:
            self._lake.tombstones.refresh(self._lake)
        except TransientError as error:
            # The lake is away: storing will wait for it, and look again before it commits.
            log.warning("who was erased could not be read: %s", error)
        checkpoint = self._pipeline.process(batch, self.stats)
        if not self._make_durable(checkpoint):
            return None
        self._follow_the_key()
        if self._maintenance is not None:
            # One of all workers looks after the files: whoever owns the first partition.
            leader = any(partition == 0 for _, partition in batch.positions)
            self._maintenance.tick(self._clock_us(), leader=leader)
        return checkpoint

    def _follow_the_key(self) -> None:
        """Hash with the newest key once the lake has one; what was hashed before is raised when stored."""
        pseudonyms = self._lake.pseudonyms
        if pseudonyms.version > self._identity.version and isinstance(
            newest := pseudonyms.hashes(pseudonyms.version), Identity
        ):
            log.info("pseudonyms are under key %d from now on", newest.version)
            self._identity.adopt(newest)

    def _is_free(self) -> bool:
        return self._in_flight is None or self._in_flight.done()

    def _finish_stored(self) -> None:
        if self._in_flight is not None and self._in_flight.done():
            self._wait()

    def _wait(self) -> None:
        """Wait for the checkpoint in flight and commit its offsets; its terminal error surfaces here."""
        if self._in_flight is None:
            return
        try:
            checkpoint = self._in_flight.result()
            if checkpoint is not None:
                self._committer.release(checkpoint)
                self.stats.checkpoints += 1
        except TransientError as error:
            log.warning("offsets will be committed with the next checkpoint: %s", error)
        finally:
            self._in_flight = None

    def _make_durable(self, checkpoint: Checkpoint) -> bool:
        """Store a checkpoint, retrying transient failures; False when stopped meanwhile."""
        pause = BACKOFF_FIRST_S
        while True:
            try:
                self._committer.store(checkpoint)
            except TableInvalid as error:
                checkpoint = without_invalid(checkpoint, error)
                self._pipeline.exclude(checkpoint.poison)
            except PersonErased:
                checkpoint = without_erased(checkpoint, self._lake.tombstones)
            except TransientError as error:
                self.stats.problem = str(error)
                log.warning("checkpoint delayed, trying again in %.1f s: %s", pause, error)
                if self._stop.wait(pause):
                    return False
                pause = min(pause * 2, BACKOFF_MOST_S)
            else:
                self.stats.problem = ""
                return True

    def _assigned(self, restart: dict[Place, int]) -> None:
        """Places were assigned: windows are rebuilt by reading on from the restart offsets."""
        self._committer.forget()
        self._has_share = True
        held = {p: offset for (topic, p), offset in restart.items() if topic == self._topics["requests"]}
        self.stats.partitions = len(held)
        if held:
            signals = self._origins[self._topics["signals"]]
            self._alerts.assigned(self._patiently(lambda: stored_signals(self._lake, signals, held)))
            self._pipeline.assign(
                held,
                *self._patiently(lambda: self._joined(held)),
                self._patiently(lambda: self._letters.known(restart)),
            )

    def _joined(self, restart: dict[int, int]) -> tuple[pl.Series, dict[int, int]]:
        """Requests at or after the restart offsets that already are interactions, and the watermarks
        up to which the lake may hold more."""
        with translated(self._lake, "interactions"):
            rows = self._lake.scan("interactions").filter(
                pl.col("partition").is_in(list(restart)),
                pl.col("offset") >= min(restart.values()),
            )
            return rows.select("request_id").unique().collect()["request_id"], self._lake.watermarks()

    def _patiently(self, read: Callable[[], Known]) -> Known:
        while True:
            try:
                found = read()
            except TransientError as error:
                self.stats.problem = str(error)
                log.warning("the lake cannot be read yet: %s", error)
                if self._stop.wait(BACKOFF_FIRST_S):
                    raise TerminalError("stopped while the lake was unavailable") from error
            else:
                self.stats.problem = ""
                return found

    def _revoked(self, places: list[Place]) -> None:
        """Places are given up: finish what is in flight, forget the rest."""
        log.info("giving up %d topic-partitions", len(places))
        try:
            self._wait()
        finally:
            self._decoder.take()
            self._decoder.watched()
            self._alerts.reset()
            self._quiet_since.clear()
            self._pipeline.reset()
            self.stats.partitions = 0
