"""The budget of the online judge: a sliding hour instead of a run, and one that a restart does not refill."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from curation.judge.budget import Budget, Limits
from curation.judge.verdicts import Spend

HOUR_S: Final = 3600.0

Booked = tuple[float, Spend]
"""How many seconds ago, and what was spent."""


class HourlyBudget(Budget):
    """At most a share of some limits in any hour.

    `share` is the part of the topic's partitions this worker owns, so that all workers together stay
    within the limits. `clock` returns seconds. Used by one thread at a time; `left` by any.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(limits)
        self.ever = Spend()
        """All that was booked here since the start."""
        self._share = 1.0
        self._clock = clock
        self._booked: deque[Booked] = deque()
        self._lock = threading.Lock()

    @property
    def share(self) -> float:
        """The part of the limits that is this worker's."""
        return self._share

    def begin(self, share: float, spent: Iterable[Booked]) -> None:
        """Count from here on with a share of the limits, of which this was spent within the last hour.

        Replaces what was booked so far, so `spent` covers that.
        """
        now = self._clock()
        with self._lock:
            self._share = share
            self._booked = deque(sorted(((now - ago, s) for ago, s in spent), key=lambda entry: entry[0]))
            self.spent = sum((s for _, s in self._booked), Spend())

    def lacks(self, estimate: Spend) -> str:
        """The limit of this hour that a call of this estimate would break, or nothing."""
        with self._lock:
            self._forget()
            return self.limits.scaled(self._share).exceeded(self.spent + self.reserved + estimate)

    def book(self, estimate: Spend, spent: Spend) -> None:
        """Replace a reservation by what the call came to."""
        with self._lock:
            super().book(estimate, spent)
            self._booked.append((self._clock(), spent))
            self.ever += spent

    def left(self) -> dict[str, float]:
        """What may still be spent now, by limit (`calls`, `tokens`, `usd`); without those not set."""
        with self._lock:
            self._forget()
            limits, gone = self.limits.scaled(self._share), self.spent + self.reserved
        left = {
            "calls": None if limits.calls is None else limits.calls - gone.calls,
            "tokens": None if limits.tokens is None else limits.tokens - gone.tokens,
            "usd": None if limits.cost_usd is None else limits.cost_usd - gone.cost_usd,
        }
        return {name: max(float(value), 0.0) for name, value in left.items() if value is not None}

    def _forget(self) -> None:
        oldest = self._clock() - HOUR_S
        while self._booked and self._booked[0][0] <= oldest:
            self.spent -= self._booked.popleft()[1]


def share_of(entries: Iterable[Booked], share: float) -> list[Booked]:
    """A share of what was spent, entry by entry; rounded up in total, never by more than one of anything."""
    shared: list[Booked] = []
    total, given = Spend(), Spend()
    for ago, spend in entries:
        total += spend
        due = Spend(
            calls=math.ceil(total.calls * share),
            input_tokens=math.ceil(total.input_tokens * share),
            output_tokens=math.ceil(total.output_tokens * share),
            cost_usd=total.cost_usd * share,
        )
        shared.append((ago, due - given))
        given = due
    return shared
