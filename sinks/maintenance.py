"""Keeping the layout of the lake healthy without a person.

`Maintenance` plans and does the work, step by step; `MaintenanceThread` does it beside the stream. One
worker of a group should run it, the owner of Kafka partition 0; that two do for a while, in a
rebalance or because a person runs `tailrace lake compact`, costs repeated work and nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from contracts.errors import CommitFenced, TailraceError
from contracts.settings import LakeSettings
from contracts.tables import TABLES
from contracts.validation import SECOND
from sinks.lake import Lake
from sinks.maintenance_compaction import Merged, merge
from sinks.maintenance_history import Kept, housekeep
from sinks.maintenance_layout import Step, day_files, step_for
from sinks.maintenance_properties import HOUR_US

log = logging.getLogger("tailrace.maintenance")

LOOK_EVERY_US: Final = 120 * SECOND
"""Between two looks at the tables, microseconds. A look loads every table: tens of milliseconds each."""

HOUSEKEEPING_EVERY_US: Final = 24 * HOUR_US

FAILED_RESTS_US: Final = HOUR_US
"""How long a day that could not be merged, or not into fewer files, is left alone: a damaged file does not
mend in two minutes, and every attempt costs a claim."""


@dataclass
class Report:
    """What a run did. `skipped`: tables left for the next look, with the reason."""

    merged: list[Merged] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


class Maintenance:
    """Plans merges and housekeeping of a lake and does them in small steps. Not thread-safe."""

    def __init__(self, lake: Lake, options: LakeSettings, *, rest_first_us: int = 0) -> None:
        """`rest_first_us`: how long after the first call of `due` the first look is, so that a process
        that only runs for a moment is left alone."""
        self._lake = lake
        self._options = options
        self._rest_first_us = rest_first_us
        self._merges: list[Step] = []
        self._keeping: list[str] = []
        self._resting: dict[tuple[str, date | None], int] = {}
        self._next_look_us: int | None = None
        self._next_keeping_us: int | None = None

    def due(self, now_us: int) -> bool:
        """Whether `run` may have work: steps are left, or it is time to look. Reads nothing."""
        if self._next_look_us is None:
            self._next_look_us = now_us + self._rest_first_us
        return bool(self._merges or self._keeping) or _reached(self._next_look_us, now_us)

    def run(
        self, now_us: int, budget_seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> Report:
        """Do steps until the budget is used up, at least one if there is any.

        `now_us` is the clock in UTC microseconds. A step is one merge of one day of one table, or the
        housekeeping of one table. A step that fails is reported and planned again: after a conflict at
        the next look, otherwise an hour later. Nothing that goes wrong here is an error of the stream's.
        """
        started = clock()
        report = Report()
        if _reached(self._next_look_us, now_us):
            self._look(now_us, report)
        while self._merges or self._keeping:
            self._step(now_us, report)
            if clock() - started >= budget_seconds:
                break
        return report

    def _look(self, now_us: int, report: Report) -> None:
        self._next_look_us = now_us + LOOK_EVERY_US
        self._merges = []
        for name in TABLES:
            try:
                steps = plan(self._lake, name, self._options, now_us)
            except TailraceError as error:
                report.skipped[name] = str(error)
            else:
                self._merges += [s for s in steps if now_us >= self._resting.get((name, s.day), now_us)]
        # Days that are still being appended to come first: their small files slow the stream down.
        self._merges.sort(key=lambda step: step.target_bytes)
        if _reached(self._next_keeping_us, now_us):
            self._next_keeping_us = now_us + HOUSEKEEPING_EVERY_US
            self._keeping = list(TABLES)

    def _step(self, now_us: int, report: Report) -> None:
        if not self._merges:
            name = self._keeping.pop(0)
            try:
                report.kept.append(housekeep(self._lake, name, self._options, now_us=now_us))
            except TailraceError as error:
                report.skipped[name] = str(error)
            return
        step = self._merges.pop(0)
        try:
            done = merge(self._lake, step, self._options)
            report.merged.append(done)
            if done.files_after >= done.files_before:
                self._resting[step.table, step.day] = now_us + FAILED_RESTS_US
        except CommitFenced as error:
            report.skipped[step.table] = str(error)
        except TailraceError as error:
            self._resting[step.table, step.day] = now_us + FAILED_RESTS_US
            report.skipped[step.table] = str(error)


def plan(lake: Lake, name: str, options: LakeSettings, now_us: int) -> list[Step]:
    """The merges a table needs now. Raises `LakeUnavailable`, or `TerminalError` without the table."""
    files = day_files(name, lake.table(name))
    return [step for day in files if (step := step_for(day, options, now_us)) is not None]


class MaintenanceThread:
    """Runs maintenance beside the stream: `tick` never waits.

    A merge of a large day takes as long as reading and writing it (design: docs/decisions/07): too long
    for the thread that makes checkpoints durable, and nothing there depends on it. deltalake works
    outside the interpreter, and Delta lets appends and a merge run at the same time.
    """

    def __init__(
        self, maintenance: Maintenance, *, on_report: Callable[[Report], None] | None = None
    ) -> None:
        self._maintenance = maintenance
        self._on_report = on_report or _log
        self._thread: threading.Thread | None = None

    def tick(self, now_us: int, *, leader: bool) -> None:
        """Start the next step in the background, if it is due and none is running.

        `leader`: whether this worker owns partition 0.
        """
        if leader and not self.busy and self._maintenance.due(now_us):
            self._thread = threading.Thread(
                target=self._run, args=(now_us,), name="tailrace-maintenance", daemon=True
            )
            self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a step is under way."""
        return self._thread is not None and self._thread.is_alive()

    def close(self, timeout_seconds: float) -> bool:
        """Wait for the step under way, at most so long; False when it is abandoned.

        An abandoned merge ends with the process: nothing of it is visible, and its files are deleted
        by a later vacuum. The process must then end by `streams.process.leave`: an ordinary exit would
        take down the interpreter around deltalake, which crashes.
        """
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        if self.busy:
            log.info("maintenance of the lake is cut off; the next worker does it again")
        return not self.busy

    def _run(self, now_us: int) -> None:
        try:
            self._on_report(self._maintenance.run(now_us, 0.0))
        except Exception:
            # The stream does not depend on this thread; the next tick looks again.
            log.exception("maintenance of the lake failed")


def _reached(moment_us: int | None, now_us: int) -> bool:
    return moment_us is None or now_us >= moment_us


def _log(report: Report) -> None:
    for merged in report.merged:
        log.info(
            "merged %s %s: %d files into %d",
            merged.step.table,
            merged.step.day or "",
            merged.files_before,
            merged.files_after,
        )
    for name, reason in report.skipped.items():
        log.warning("maintenance of %s postponed: %s", name, reason)
