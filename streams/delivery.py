"""What became of the events handed to the producer: a bounded, thread-safe ledger.

kafka-python's producer has no memory limit of its own and reports failures only through futures; the
ledger bounds what is in flight, counts, and keeps the first cause so that no failure goes unseen.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """Events since the emitter was opened; `accepted` = `delivered` + `failed` + `pending`."""

    accepted: int
    delivered: int
    failed: int
    pending: int


class Ledger:
    """Counts events and bytes from acceptance to acknowledgement or failure."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._bytes = 0
        self._accepted = 0
        self._delivered = 0
        self._failed = 0
        self._reported = 0
        self._first: Exception | None = None

    def accept(self, size: int, timeout: float) -> bool:
        """Take responsibility for an event of `size` bytes, waiting up to `timeout` seconds while the
        events in flight leave no room. False when there was none in time."""
        with self._changed:
            if self._bytes and self._bytes + size > self._max_bytes:
                deadline = time.monotonic() + timeout
                while self._bytes and self._bytes + size > self._max_bytes:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return False
                    self._changed.wait(left)
            self._bytes += size
            self._accepted += 1
            return True

    def withdraw(self, size: int) -> None:
        """Undo `accept`: the producer refused the event and the caller was told."""
        with self._changed:
            self._bytes -= size
            self._accepted -= 1
            self._changed.notify_all()

    def delivered(self, size: int) -> None:
        """The broker acknowledged an event of `size` bytes."""
        with self._changed:
            self._bytes -= size
            self._delivered += 1
            self._changed.notify_all()

    def failed(self, size: int, error: Exception) -> bool:
        """An event of `size` bytes was given up; True when it is the first since the last report."""
        with self._changed:
            self._bytes -= size
            self._failed += 1
            first = self._first is None
            if first:
                self._first = error
            self._changed.notify_all()
            return first

    def settle(self, timeout: float) -> None:
        """Wait, at most `timeout` seconds, until everything accepted before this call is decided."""
        deadline = time.monotonic() + timeout
        with self._changed:
            target = self._accepted
            # min: an event accepted and then withdrawn is nobody's to wait for.
            while self._delivered + self._failed < min(target, self._accepted):
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def take_failures(self) -> tuple[int, Exception | None]:
        """Failures since the last call, with the cause of the first."""
        with self._changed:
            count, first = self._failed - self._reported, self._first
            self._reported, self._first = self._failed, None
            return count, first

    def counts(self) -> DeliveryCounts:
        """The counts now."""
        with self._changed:
            pending = self._accepted - self._delivered - self._failed
            return DeliveryCounts(self._accepted, self._delivered, self._failed, pending)
