"""How many failures are judged, stored and acknowledged at a time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

SECONDS: Final = 5.0
"""About how long one portion should take. Longer ones are cheaper (each waits for its slowest call); shorter
ones take note sooner of a revoked consent, and leave less to be judged again when partitions move."""

LEAST: Final = 50


class Portions:
    """Cuts batches into portions of about `SECONDS`, by how long the last one took."""

    def __init__(self, most: int) -> None:
        self.size = LEAST
        self._most = most

    def took(self, items: int, seconds: float) -> None:
        """So many items took so long."""
        fitting = min(max(int(items * SECONDS / max(seconds, 1e-3)), LEAST), self._most)
        # A portion that was not full says more of the fixed costs: it never makes the next one shorter.
        if items >= self.size or fitting > self.size:
            self.size = fitting

    def cut(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        """Consecutive portions, each as large as is right when it is asked for."""
        start = 0
        while start < len(items):
            portion = items[start : start + self.size]
            start += len(portion)
            yield portion
