"""Several join workers on one machine, each a process of its own with a share of the partitions.

Decoding is interpreter work, and one interpreter runs on one core. The processes are ordinary members of
the consumer group; what binds them together is only this: they start, stop, drain and fail as one.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

from contracts.errors import TailraceError, TerminalError
from contracts.settings import Settings
from curation.scoring import ScoreModel
from curation.weights import resolve_model
from sinks.lake import Lake
from streams.fleet_member import CLOSE, STOP, Ended, Report, serve
from streams.identity import Identity
from streams.join_pipeline import JoinStats
from streams.join_worker import JoinWorker

log = logging.getLogger("tailrace.join")

POLL_S: Final = 0.2
STOP_SECONDS: Final = 30.0
"""How long members may finish what is in flight before they are killed; Kafka has the rest."""

MEMBER_ENVIRONMENT: Final = {
    # One allocation arena keeps freed memory for the next batch instead of one unused heap per thread.
    "MALLOC_ARENA_MAX": "1",
    "_RJEM_MALLOC_CONF": "background_thread:false,dirty_decay_ms:10000,muzzy_decay_ms:10000",
}


@dataclass
class _Member:
    process: BaseProcess
    pipe: Connection
    report: Report = field(default_factory=Report)
    ended: Ended | None = None


class JoinFleet:
    """Runs `processes` join workers; the same calls as on one `JoinWorker`."""

    def __init__(
        self,
        settings: Settings,
        lake: Lake,
        identity: Identity,
        *,
        processes: int,
        model: ScoreModel | None = None,
    ) -> None:
        self.stats = JoinStats()
        self.first_up: float | None = None
        """When the first member had connected, on the clock of `time.perf_counter`."""
        self._settings = settings
        self._lake = lake
        self._identity = identity
        # Once for all: members that looked for themselves could find different files.
        self._model = model or resolve_model(settings)
        self._processes = processes
        self._stop = threading.Event()
        self._close = threading.Event()
        self._drained = False
        self._members: list[_Member] = []

    def stop(self) -> None:
        """Ask every member to finish; what is not yet durable is read again by the next worker."""
        self._stop.set()

    def close_windows(self) -> None:
        """Ask for every open window to be closed once everything on the broker has been read."""
        self._drained = False
        self._close.set()

    def settled(self, consumed: int) -> bool:
        """Whether that many messages are read and all of them durable, with no window open."""
        return self.stats.consumed >= consumed and not self._close.is_set() and self._drained

    def run(self, *, drain: bool = False) -> JoinStats:
        """Work until `stop`, or with `drain` until everything is read and every window is closed.

        Raises the error that ended a member, after the others have stopped; a member that was killed
        counts as one.
        """
        if drain:
            self.close_windows()
        self._start()
        try:
            while not self._stop.is_set():
                self._listen()
                if self._close.is_set():
                    self._tell(CLOSE)
                    self._close.clear()
                if self._failure() is not None:
                    break
                self._drained = all(member.report.drained for member in self._members)
                if drain and self._drained:
                    break
        finally:
            self._end()
        failure = self._failure()
        if failure is not None:
            raise failure
        return self.stats

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        with _environment(MEMBER_ENVIRONMENT):
            for number in range(self._processes):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=serve,
                    args=(theirs, self._member_settings(number), self._lake, self._identity, self._model),
                    name=f"tailrace-join-{number}",
                )
                process.start()
                theirs.close()
                self._members.append(_Member(process, ours))

    def _member_settings(self, number: int) -> Settings:
        instance = self._settings.kafka.instance_id
        if not instance:
            return self._settings
        kafka = self._settings.kafka.model_copy(update={"instance_id": f"{instance}-{number}"})
        return self._settings.model_copy(update={"kafka": kafka})

    def _listen(self) -> None:
        """Take in what members report, and notice those that died."""
        open_pipes = {member.pipe: member for member in self._members if member.ended is None}
        for pipe in wait(list(open_pipes), POLL_S) if open_pipes else ():
            member = open_pipes[pipe]  # type: ignore[index]
            try:
                message = member.pipe.recv()
            except (EOFError, OSError):
                member.process.join(POLL_S * 5)
                member.ended = Ended(
                    message=f"a join process died (exit code {member.process.exitcode})",
                    hint="Was it killed, or out of memory? Start the worker again; nothing is lost.",
                )
                continue
            if isinstance(message, Report):
                self.first_up = self.first_up or time.perf_counter()
                member.report = message
            else:
                member.ended = message
                member.report = message.report or member.report
        self.stats.assign(JoinStats.total([member.report.stats for member in self._members]))

    def _failure(self) -> TailraceError | None:
        for member in self._members:
            if member.ended is not None and member.ended.message:
                return TerminalError(member.ended.message, hint=member.ended.hint)
        return None

    def _tell(self, command: str) -> None:
        for member in self._members:
            if member.ended is None:
                try:
                    member.pipe.send(command)
                except OSError:
                    log.debug("%s has ended already", member.process.name)

    def _end(self) -> None:
        self._tell(STOP)
        deadline = time.monotonic() + STOP_SECONDS
        while any(member.ended is None for member in self._members) and time.monotonic() < deadline:
            self._listen()
        for member in self._members:
            if member.ended is None:
                log.warning("%s did not finish in %.0f s and is killed", member.process.name, STOP_SECONDS)
                member.process.kill()
            member.process.join()
            member.pipe.close()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment of the processes started meanwhile; what the user set stays."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def make_join(
    settings: Settings, lake: Lake, identity: Identity, *, model: ScoreModel | None = None
) -> JoinWorker | JoinFleet:
    """The join as `join.processes` asks for it: in this process, or a fleet.

    Without a `model` the one of the settings scores (`curation.weights.resolve_model`).
    """
    if settings.join.processes > 1:
        return JoinFleet(settings, lake, identity, processes=settings.join.processes, model=model)
    return JoinWorker(settings, lake, identity, model=model)
