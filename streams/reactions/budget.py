"""The budget of the online judge: a sliding hour instead of a run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from curation.judge.budget import Budget

_HOUR_S: Final = 3600.0


class HourlyBudget(Budget):
    """At most `max_calls × share` calls in any hour.

    `share` is the part of the topic's partitions this worker owns, so that all workers together stay
    within `max_calls`. `clock` returns seconds.
    """

    def __init__(self, max_calls: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(max_calls)
        self.share = 1.0
        self._clock = clock
        self._taken: deque[float] = deque()

    @property
    def left(self) -> int:
        """Calls that may be made right now."""
        oldest = self._clock() - _HOUR_S
        while self._taken and self._taken[0] <= oldest:
            self._taken.popleft()
        return max(int(self.max_calls * self.share) - len(self._taken), 0)

    def take(self) -> bool:
        """Reserve one call for good; False when this hour's are spent."""
        if not self.left:
            return False
        self._taken.append(self._clock())
        self.calls += 1
        return True
