"""What every kind of destination can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from contracts.errors import PushRefused
from sinks.push.parcel import Parcel, Piece

Sent = Callable[[int], None]
"""Told how many bytes more are at the destination."""


@dataclass(frozen=True)
class Look:
    """What a destination holds of a parcel.

    kept: files that are there with the right bytes. missing: those that are not there, in the order they go.
    others: names under which something else lies. whole: whether nothing is left to do but to point.
    commit: of a repository that holds all of it.
    """

    kept: tuple[Piece, ...]
    missing: tuple[Piece, ...]
    others: tuple[str, ...] = ()
    commit: str | None = None
    whole: bool = True

    def require_free(self, drop_id: str, name: str) -> None:
        """Raise `PushRefused` when anything else lies where the drop should."""
        if self.others:
            raise PushRefused(
                f"{name} holds something else as drop {drop_id}: {', '.join(self.others)}",
                hint="Nothing was overwritten. Look who put it there; remove it, or push elsewhere.",
            )


@dataclass(frozen=True)
class Receipt:
    """What sending came to. `kept`: files somebody else had sent meanwhile. `commit`: of a repository."""

    sent: tuple[Piece, ...]
    kept: tuple[Piece, ...] = ()
    commit: str | None = None


@dataclass
class Options:
    """How to push. point: whether `LATEST` (or the branch of a repository) moves. private: visibility of a
    repository; None: private when it is made, and only a private one is accepted."""

    point: bool = True
    private: bool | None = None
    sent: Sent = field(default=lambda _: None)


class Target(Protocol):
    """A destination. Raises `PushUnavailable` (try again: what was sent stays) and `PushRefused`."""

    name: str

    def look(self, parcel: Parcel) -> Look:
        """What is there; changes nothing."""

    def send(self, parcel: Parcel, look: Look) -> Receipt:
        """Send what is missing, each file checked on arrival; the last step makes the copy whole."""

    def point(self, parcel: Parcel) -> bool:
        """Let the channel's pointer name the drop unless it names one with a later as-of time; whether it
        moved."""
