"""The sign of life of a nightly build, from a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol, Self

from contracts.errors import Overtaken, TailraceError
from sinks.lake import Lake
from sinks.nightly_runs import RUNNING, Run, beat, check
from streams.reactions.threads import in_thread

log = logging.getLogger("tailrace.nightly")


class Clock(Protocol):
    """Tells the time, UTC."""

    def __call__(self) -> datetime:
        """Now."""


class Heartbeat:
    """Writes a heartbeat of a claimed attempt every `seconds` while its block runs.

    A thread of its own: neither the build nor a busy event loop delays it. A lake that is away is tried
    again at the next beat; what decides about the drop is the commit that publishes it.
    """

    def __init__(
        self, lake: Lake, claimed: Run, *, seconds: float, clock: Clock, on_beat: Callable[[Run], None]
    ) -> None:
        """`on_beat` is told of every heartbeat that was written, in the thread."""
        self._lake = lake
        self._claimed = claimed
        self._seconds = seconds
        self._clock = clock
        self._on_beat = on_beat
        self._stop = threading.Event()
        self._overtaken = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tailrace-heartbeat", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """No heartbeat is written after this."""
        self._stop.set()
        await in_thread(self._thread.join, name="tailrace-heartbeat-end")

    def still_mine(self, _step: str = "") -> None:
        """Raise `Overtaken` when another worker took the night over; for the steps of publishing."""
        if self._overtaken.is_set():
            raise Overtaken(f"attempt {self._claimed.attempt} was taken over")
        check(self._lake, self._claimed)

    def _work(self) -> None:
        number = 0
        while not self._stop.wait(self._seconds):
            number += 1
            running = replace(self._claimed, state=RUNNING, at=self._clock())
            try:
                beat(self._lake, running, number)
                self._on_beat(running)
            except Overtaken as error:
                log.warning("this worker's build goes on in vain: %s", error)
                self._overtaken.set()
                return
            except TailraceError as error:
                log.warning("a heartbeat of the nightly build could not be written: %s", error)
