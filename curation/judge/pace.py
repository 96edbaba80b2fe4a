"""How many calls are in flight: as many as the endpoint bears, found out as TCP does.

Source: additive increase, multiplicative decrease with slow start (Jacobson and Karels, "Congestion avoidance
and control", 1988).
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

FIRST: Final = 4
"""Calls in flight at first."""


class Pace:
    """Slots for calls. Every answer lets more in, every "slow down" halves them, once per round of calls.

    `limit` is the number of calls that may be in flight now, `most` the highest it may become. For one
    event loop's use.
    """

    def __init__(self, most: int, *, first: int = FIRST) -> None:
        self.most = most
        self.limit = min(first, most)
        self.in_flight = 0
        self._round = 0
        self._answers = 0
        self._slow_start = True
        self._changed = asyncio.Condition()

    def slot(self) -> Slot:
        """One call's place: use it as an async context manager around the call."""
        return Slot(self)

    def answered(self) -> None:
        """A call was answered: one more at once while starting, later one more per round of answers."""
        self._answers += 1
        if self._slow_start or self._answers >= self.limit:
            self._answers = 0
            self.limit = min(self.limit + 1, self.most)

    def overloaded(self, began_in: int) -> None:
        """A call that began in a round was turned down, or nobody answered it."""
        if began_in != self._round:
            # It began before the last cut, which was made for the same overload.
            return
        self._round += 1
        self._slow_start = False
        self._answers = 0
        self.limit = max(self.limit // 2, 1)

    @property
    def round(self) -> int:
        """How often it was cut so far."""
        return self._round

    async def enter(self) -> None:
        """Wait for a place."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.in_flight < self.limit)
            self.in_flight += 1

    async def leave(self) -> None:
        """Give the place back."""
        async with self._changed:
            self.in_flight -= 1
            # Only as many as there are places: waking all for every answer costs more than the calls.
            self._changed.notify(max(self.limit - self.in_flight, 0))


class Slot:
    """One call in flight; `overloaded` is set on it when the endpoint could not bear it."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._round = 0
        self.overloaded = False

    async def __aenter__(self) -> Self:
        await self._pace.enter()
        self.begin()
        return self

    def begin(self) -> None:
        """The call begins now, when it does not at once: an overload counts against the pace of then."""
        self._round = self._pace.round

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.overloaded:
            self._pace.overloaded(self._round)
        elif error is None:
            self._pace.answered()
        await asyncio.shield(self._pace.leave())
