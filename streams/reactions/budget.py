"""The budget of the online judge: a sliding hour instead of a run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from curation.judge.budget import Budget, Limits
from curation.judge.verdicts import Spend

_HOUR_S: Final = 3600.0


class HourlyBudget(Budget):
    """At most a share of some limits in any hour.

    `share` is the part of the topic's partitions this worker owns, so that all workers together stay
    within the limits. `clock` returns seconds.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(limits)
        self.share = 1.0
        self._clock = clock
        self._booked: deque[tuple[float, Spend]] = deque()

    def lacks(self, estimate: Spend) -> str:
        """The limit of this hour that a call of this estimate would break, or nothing."""
        self._forget()
        return self.limits.scaled(self.share).exceeded(self.spent + self.reserved + estimate)

    def book(self, estimate: Spend, spent: Spend) -> None:
        """Replace a reservation by what the call came to."""
        super().book(estimate, spent)
        self._booked.append((self._clock(), spent))

    def _forget(self) -> None:
        oldest = self._clock() - _HOUR_S
        while self._booked and self._booked[0][0] <= oldest:
            self.spent -= self._booked.popleft()[1]
