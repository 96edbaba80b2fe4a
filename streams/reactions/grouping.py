"""So that nobody is called a thousand times: how many calls a minute, and what was seen before. Pure."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MINUTE_S: Final = 60.0
GATHER_S: Final = 5.0
"""How long the first item of a summary waits for others, seconds."""


class Grouping(Generic[T]):
    """At most `per_minute` calls in any minute: items by themselves while there is room, then summed up.

    One call of each minute is kept for the sum. Times are seconds of one steady clock.
    """

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute
        self._calls: deque[float] = deque()
        self._gathered: deque[tuple[float, T]] = deque()

    def __len__(self) -> int:
        """Items that wait for a sum."""
        return len(self._gathered)

    def offer(self, item: T, now_s: float) -> bool:
        """Whether to make a call for this item alone, now; if not it is kept for the next sum."""
        room = max(self._most - 1, 1) - self._made(now_s)
        if self._gathered or room <= 0:
            self._gathered.append((now_s, item))
            return False
        self._calls.append(now_s)
        return True

    def due(self, now_s: float) -> list[T]:
        """The items of a sum to send now, in one call; none while it is not time."""
        if (wait := self.wait_s(now_s)) is None or wait > 0:
            return []
        self._calls.append(now_s)
        items = [item for _, item in self._gathered]
        self._gathered.clear()
        return items

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until a sum is due; None when nothing waits for one."""
        if not self._gathered:
            return None
        gathered = self._gathered[0][0] + GATHER_S - now_s
        free = self._calls[0] + MINUTE_S - now_s if self._made(now_s) >= self._most else 0.0
        return max(gathered, free, 0.0)

    def put_back(self, items: Iterable[T], now_s: float) -> None:
        """Keep items whose call came to nothing, before all others, for the next sum."""
        self._gathered.extendleft([(now_s, item) for item in items][::-1])

    def oldest(self) -> T:
        """Take out the item that waits the longest, for good."""
        return self._gathered.popleft()[1]

    def _made(self, now_s: float) -> int:
        while self._calls and self._calls[0] <= now_s - MINUTE_S:
            self._calls.popleft()
        return len(self._calls)


class RecentIds:
    """The last ids seen, in eight bytes each, whatever their length."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return _short(name) in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, name: str) -> None:
        """Remember an id, and forget the oldest when there are too many."""
        self._seen[_short(name)] = None
        self._seen.move_to_end(_short(name))
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)


def _short(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()
