"""Event-time watermarks of partitions. Pure: every method takes the time it needs.

No event at or before the watermark of a partition is expected any more: it is just below the least,
over its topics, of the latest event time seen minus the allowed lateness. A topic that has been read
to its end and stays quiet does not hold it back; when all are quiet it follows the clock. It never
moves backwards and never passes the clock, so one event from a wrong clock cannot make everything
after it late. Times are UTC microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class _Progress:
    latest_us: int | None = None
    quiet_since_us: int | None = None


class Watermarks:
    """Watermarks of the partitions a worker owns."""

    def __init__(self, topics: Iterable[str], *, lateness_us: int, idle_us: int) -> None:
        self._topics = tuple(topics)
        self._lateness_us = lateness_us
        self._idle_us = idle_us
        self._progress: dict[int, dict[str, _Progress]] = {}
        self._watermarks: dict[int, int] = {}

    def assign(self, partitions: Iterable[int]) -> None:
        """Start tracking partitions; known ones keep their state."""
        for partition in partitions:
            self._progress.setdefault(partition, {topic: _Progress() for topic in self._topics})

    def revoke(self, partitions: Iterable[int]) -> None:
        """Forget partitions."""
        for partition in partitions:
            self._progress.pop(partition, None)
            self._watermarks.pop(partition, None)

    def observe(self, topic: str, partition: int, latest_us: int) -> None:
        """Valid events were read from a topic's partition; `latest_us` is the greatest event time."""
        progress = self._progress[partition][topic]
        progress.quiet_since_us = None
        if progress.latest_us is None or latest_us > progress.latest_us:
            progress.latest_us = latest_us

    def at_end(self, topic: str, partition: int, *, now_us: int) -> None:
        """The topic's partition has been read to its end and gave nothing."""
        progress = self._progress[partition][topic]
        if progress.quiet_since_us is None:
            progress.quiet_since_us = now_us

    def busy(self, topic: str, partition: int) -> None:
        """There is more to read."""
        self._progress[partition][topic].quiet_since_us = None

    def all_idle(self, *, now_us: int) -> bool:
        """Whether every topic of every partition is idle."""
        return all(
            self._idle(progress, now_us) for topics in self._progress.values() for progress in topics.values()
        )

    def advance(self, *, now_us: int) -> dict[int, int]:
        """Current watermark per partition; partitions that know no time yet are left out."""
        for partition, topics in self._progress.items():
            active = [p for p in topics.values() if not self._idle(p, now_us)]
            if not active:
                candidate = now_us - self._lateness_us - 1
            elif any(p.latest_us is None for p in active):
                continue
            else:
                least = min(p.latest_us for p in active if p.latest_us is not None)
                candidate = min(least, now_us) - self._lateness_us - 1
            if candidate > self._watermarks.get(partition, candidate - 1):
                self._watermarks[partition] = candidate
        return dict(self._watermarks)

    def close(self, *, horizon_us: int) -> dict[int, int]:
        """End of input: move past every window that is still open."""
        for partition, topics in self._progress.items():
            latest = max((p.latest_us for p in topics.values() if p.latest_us is not None), default=None)
            if latest is not None:
                self._watermarks[partition] = max(
                    latest + horizon_us, self._watermarks.get(partition, latest)
                )
        return dict(self._watermarks)

    def _idle(self, progress: _Progress, now_us: int) -> bool:
        return progress.quiet_since_us is not None and now_us - progress.quiet_since_us >= self._idle_us
