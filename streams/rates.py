"""Counts over a sliding time: pure, the clock is an argument (seconds, any steady start)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")

HOUR_MINUTES: Final = 60


@dataclass
class MinuteRing:
    """Counts per minute of the last hour, in sixty numbers."""

    _counts: list[int] = field(default_factory=lambda: [0] * HOUR_MINUTES)
    _minute: int | None = None

    def add(self, now_s: float, count: int = 1) -> None:
        """Count something now; a clock that goes back counts for the newest minute."""
        self._turn(now_s)
        assert self._minute is not None
        self._counts[self._minute % HOUR_MINUTES] += count

    def per_minute(self, now_s: float) -> list[int]:
        """Counts of the last sixty minutes, the oldest first; the current one is the last."""
        self._turn(now_s)
        assert self._minute is not None
        first = self._minute + 1
        return [self._counts[minute % HOUR_MINUTES] for minute in range(first, first + HOUR_MINUTES)]

    def _turn(self, now_s: float) -> None:
        minute = int(now_s // 60)
        if self._minute is None:
            self._minute = minute
        for passed in range(self._minute + 1, min(minute, self._minute + HOUR_MINUTES) + 1):
            self._counts[passed % HOUR_MINUTES] = 0
        self._minute = max(self._minute, minute)


class CountWindow(Generic[Key]):
    """Counts of the last seconds by key, to a twentieth of the time."""

    STEPS: Final = 20

    def __init__(self, seconds: float) -> None:
        self._step_s = seconds / self.STEPS
        self._steps: deque[tuple[int, Counter[Key]]] = deque()

    def add(self, now_s: float, counts: Mapping[Key, int]) -> None:
        """Count things now; a clock that goes back counts for the newest time."""
        step = max(int(now_s // self._step_s), self._steps[-1][0] if self._steps else 0)
        if not self._steps or self._steps[-1][0] != step:
            self._steps.append((step, Counter()))
        self._steps[-1][1].update(counts)
        self._forget(now_s)

    def counts(self, now_s: float) -> Counter[Key]:
        """What was counted in the time up to now."""
        self._forget(now_s)
        total: Counter[Key] = Counter()
        for _, counts in self._steps:
            total.update(counts)
        return total

    def _forget(self, now_s: float) -> None:
        oldest = int(now_s // self._step_s) - self.STEPS
        while self._steps and self._steps[0][0] <= oldest:
            self._steps.popleft()


@dataclass
class Alarm:
    """Rings when a share is passed, and not again before it has halved or `again_s` have gone by."""

    share: float
    minimum: int
    again_s: float = 3600.0
    _rang_at: float | None = None

    def rings(self, now_s: float, total: int, bad: int) -> bool:
        """Whether to tell somebody now."""
        if self._rang_at is not None and bad < self.share * total / 2:
            self._rang_at = None
        high = bad >= self.minimum and bad >= self.share * total
        if not high or (self._rang_at is not None and now_s - self._rang_at < self.again_s):
            return False
        self._rang_at = now_s
        return True
