"""The scheduled drop: one per night however many workers wake up, made up for after downtime.

Every worker watches the schedule; none is special. What is due is decided from the log of runs in the lake
(`nights.decide`), and claimed there:

1. claim the attempt (of several workers one gets it);
2. send heartbeats while the drop is built, from events up to the scheduled moment;
3. publish: the registry takes one drop per scheduled moment, whatever a worker that was thought dead does;
4. announce it on `tailrace.drops`;
5. note how the attempt ended.

A worker that dies in between falls silent; the next attempt finishes what is missing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from contracts.errors import Overtaken, TailraceError, TerminalError
from contracts.settings import Settings
from curation.candidates import latest_event, pin_inputs
from curation.drift_watch import watch_drift
from curation.engine import make_engine
from curation.judge.batch_place import Batches
from curation.judge.bench import Bench
from curation.nightly import make_drop
from curation.weights import resolve_model
from sinks import nightly_runs
from sinks.drops.publish import published, published_for, settle_latest
from sinks.lake import Lake
from sinks.nightly_runs import CLAIMED, FAILED, PUBLISHED, SCHEDULED, UNCHANGED, Run, read_runs
from streams.reactions.announcing import Announcements
from streams.reactions.heartbeat import Clock, Heartbeat
from streams.reactions.nights import SILENT_BEATS, Overview, Plan, Schedule, decide, overview, under_way
from streams.reactions.stats import ReactionStats
from streams.reactions.threads import in_thread

log = logging.getLogger("tailrace.nightly")

LOOK_S: Final = 60.0
"""The schedule is looked at this often at least: a suspended machine must not sleep through its night."""

_OVERTAKEN: Final = "overtaken"
_RESULTS: Final = (PUBLISHED, UNCHANGED, FAILED, _OVERTAKEN)


def _now() -> datetime:
    return datetime.now(UTC)


class NightlyReactions:
    """Watches `settings.nightly.cron`, builds what is due and announces it."""

    def __init__(
        self,
        app: Any,
        settings: Settings,
        lake: Lake,
        stats: ReactionStats,
        *,
        clock: Clock = _now,
        seconds: Callable[[], float] = time.monotonic,
        announcements: Announcements | None = None,
    ) -> None:
        """`clock` tells the time, `seconds` measures durations. Raises `SettingsError` when the schedule
        is no cron expression."""
        self._app = app
        self._settings = settings
        self._lake = lake
        self._stats = stats
        self._clock = clock
        self._seconds = seconds
        self._worker = settings.kafka.instance_id or f"{socket.gethostname()}-{os.getpid()}"
        self._announcements = announcements or Announcements(app, lake, settings.drops_root, clock=clock)
        self._fired = asyncio.Event()
        self._pulse: tuple[Run | None, float] = (None, 0.0)
        self.overview: Overview | None = None
        # From the first scrape on, so that an alert sees the first failure as an increase.
        stats.drops.update(dict.fromkeys(_RESULTS, 0))
        if settings.nightly.enabled:
            self._schedule = Schedule(settings.nightly.cron)
            # On every worker: the lake decides who builds, so a leader that hangs holds up no night.
            app.crontab(settings.nightly.cron)(self._fire)
            app.task(self._watch)

    async def _fire(self) -> None:
        self._fired.set()

    async def _watch(self) -> None:
        """From the moment partitions are assigned until the worker stops."""
        while not self._app.should_stop:
            try:
                plan = await self.tick()
                pause = (plan.until - self._clock()).total_seconds() if plan.action == "rest" else 0.0
            except Exception as error:  # noqa: BLE001 - raised, it would end the schedule for good
                reason = str(error) if isinstance(error, TailraceError) else type(error).__name__
                log.error("the schedule could not be looked at: %s", reason)
                pause = LOOK_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._fired.wait(), min(max(pause, 0.0), LOOK_S))
            self._fired.clear()

    async def tick(self) -> Plan:
        """Look at the log of runs once and do what it asks for; returns what that was.

        Safe to call at any time, twice at once, and on several workers. A build that fails is logged,
        counted and noted in the log of runs. Raises `LakeUnavailable` when that cannot be read or written.
        """
        runs = await self._look()
        plan = decide(
            runs,
            self._clock(),
            self._schedule,
            self._settings.nightly,
            silent=self._is_silent(under_way(runs)),
        )
        if plan.action == "begin":
            await self._write(nightly_runs.begin, self._run(plan, SCHEDULED, final=True))
        elif plan.action == "give_up":
            await self._give_up(plan)
        elif plan.action == "build":
            await self._attempt(plan)
        if plan.action != "rest":
            await self._look()
        return plan

    async def _look(self) -> list[Run]:
        runs = await in_thread(lambda: read_runs(self._lake, self._channel), name="tailrace-nights")
        self.overview = overview(runs, self._clock(), self._settings.nightly)
        return runs

    def _show(self, run: Run) -> None:
        """Let the web views follow a build of this worker's own."""
        if self.overview is not None:
            self.overview = replace(self.overview, last=run)

    @property
    def _channel(self) -> str:
        return self._settings.curation.channel

    def _is_silent(self, live: Run | None) -> bool:
        """Whether the attempt under way has shown no new sign of life for long, by this worker's own
        stopwatch: clocks of different machines are never compared."""
        if live is None or live != self._pulse[0]:
            self._pulse = (live, self._seconds())
            return False
        return self._seconds() - self._pulse[1] > SILENT_BEATS * self._settings.nightly.heartbeat_seconds

    def _run(self, plan: Plan, state: str, *, final: bool, **more: Any) -> Run:
        return Run(plan.night, self._channel, plan.attempt, state, final, self._worker, self._clock(), **more)

    def _end_of(self, dead: Run, plan: Plan) -> Run:
        detail = f"worker {dead.worker} fell silent"
        return replace(
            dead,
            state=FAILED,
            final=dead.night != plan.night,
            worker=self._worker,
            at=self._clock(),
            detail=detail,
        )

    async def _write(self, write: Callable[[Lake, Run], None], run: Run) -> None:
        await in_thread(lambda: write(self._lake, run), name="tailrace-nights")

    async def _give_up(self, plan: Plan) -> None:
        self._stats.drops[FAILED] += 1
        log.error("no drop for %s: %s", _by_hand(plan.night), plan.detail)
        if plan.dead is not None:
            await self._write(nightly_runs.end, self._end_of(plan.dead, plan))
        await self._write(nightly_runs.end, self._run(plan, FAILED, final=True, detail=plan.detail))

    async def _attempt(self, plan: Plan) -> None:
        claimed = self._run(plan, CLAIMED, final=False)
        dead = None if plan.dead is None else self._end_of(plan.dead, plan)
        if not await in_thread(lambda: nightly_runs.claim(self._lake, claimed, dead), name="tailrace-nights"):
            return
        await self._look()
        log.info("building the drop of %s, attempt %d", plan.night, plan.attempt)
        heartbeat = Heartbeat(
            self._lake,
            claimed,
            seconds=self._settings.nightly.heartbeat_seconds,
            clock=self._clock,
            on_beat=self._show,
        )
        try:
            async with heartbeat:
                ended = await self._build_and_announce(plan, heartbeat)
        except asyncio.CancelledError:
            # Noted at once, so that the next worker need not wait for silence.
            with suppress(TailraceError):
                nightly_runs.end(self._lake, self._failed(plan, "the worker was stopped", final=False))
            raise
        except Overtaken as error:
            self._stats.drops[_OVERTAKEN] += 1
            log.warning("the drop of %s is another worker's: %s", plan.night, error)
            return
        self._stats.drops[ended.state] += 1
        await self._write(nightly_runs.end, ended)

    async def _build_and_announce(self, plan: Plan, heartbeat: Heartbeat) -> Run:
        """Build and announce a claimed night; how that ended. Raises `Overtaken`."""
        try:
            row, new = await in_thread(lambda: self._drop(plan, heartbeat), name="tailrace-nightly")
            if row is None:
                return self._run(plan, UNCHANGED, final=True, detail="no event before the scheduled moment")
            await self._announcements.announce(row)
        except Overtaken:  # no failure of this night
            raise
        except TailraceError as error:
            log.error("no drop for %s: %s%s", plan.night, error, f" ({error.hint})" if error.hint else "")
            return self._failed(plan, str(error), final=isinstance(error, TerminalError))
        except Exception as error:
            log.error("no drop for %s: %s", plan.night, type(error).__name__, exc_info=error)
            return self._failed(plan, type(error).__name__, final=False)
        return self._run(plan, PUBLISHED if new else UNCHANGED, final=True, drop_id=row["drop_id"])

    def _failed(self, plan: Plan, detail: str, *, final: bool) -> Run:
        last = final or plan.attempt >= self._settings.nightly.max_attempts
        if last:
            log.error("given up; once it is mended: tailrace drop --as-of %s", _by_hand(plan.night))
        return self._run(plan, FAILED, final=last, detail=detail)

    def _drop(self, plan: Plan, heartbeat: Heartbeat) -> tuple[dict[str, Any] | None, bool]:
        """The registry row of a drop that holds everything up to the scheduled moment, whenever it is
        built, and whether it was published for this night; no row when there is nothing to drop.

        An earlier attempt may have died after publishing it; when nothing happened since an older drop,
        it is that one.
        """
        settings, lake = self._settings, self._lake
        if (row := published_for(lake, self._channel, plan.night)) is not None:
            settle_latest(lake, settings.drops_root, self._channel)
            return row, True
        as_of = latest_event(lake, pin_inputs(lake), plan.night)
        if as_of is None:
            return None, False
        now_us = int(self._clock().timestamp() * 1_000_000)
        for report in watch_drift(lake, settings, now_us=now_us):
            if report.drifted:
                log.warning("%s", report.words)
        try:
            result = make_drop(
                lake,
                settings.drops_root,
                settings,
                Bench.from_settings(settings, batches=Batches(folder=settings.batches_root)),
                now_us=now_us,
                as_of=as_of,
                night=plan.night,
                engine=make_engine(settings.nightly),
                model=resolve_model(settings),
                step=heartbeat.still_mine,
            )
        except Overtaken:
            heartbeat.still_mine()  # a later attempt sees to the rest
            if (row := published_for(lake, self._channel, plan.night)) is None:
                raise
            return row, True
        return published(lake, result.drop_id), result.new


def _by_hand(night: datetime) -> str:
    """A scheduled moment as `tailrace drop --as-of` takes it."""
    return f"{night:%Y-%m-%dT%H:%MZ}"
