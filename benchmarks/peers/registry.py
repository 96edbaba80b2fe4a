"""Which peers there are, what they need, and how many events each reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from contracts.errors import TerminalError


@dataclass(frozen=True, slots=True)
class Peer:
    """A program in this package.

    `package`: its distribution, None for one that needs only what Tailrace has. `events`: how many it
    finishes in well under a minute. `output`: a topic with a log of changes, of which the last per
    request counts, or a Delta table with a row per request.
    """

    name: str
    title: str
    package: str | None
    events: int
    output: Literal["topic", "delta"]

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return f"benchmarks.peers.{self.name}"


PEERS: Final = {
    peer.name: peer
    for peer in (
        Peer("faust", "Faust agents and a Table", "faust-streaming", 30_000, "topic"),
        Peer("quix", "Quix Streams, own state", "quixstreams", 50_000, "topic"),
        Peer("bytewax", "Bytewax, own state", "bytewax", 100_000, "topic"),
        Peer("bytewax_windows", "Bytewax, session windows", "bytewax", 30_000, "topic"),
        Peer("pathway", "Pathway, as-of join", "pathway", 100_000, "topic"),
        Peer("handwritten", "hand-written consumer into one Delta table", None, 300_000, "delta"),
    )
}
"""Peers by name."""


def chosen(names: str) -> list[Peer]:
    """Peers of a comma-separated list. Raises `TerminalError` naming one that does not exist."""
    found = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name not in PEERS:
            raise TerminalError(f"unknown peer {name}", hint=f"Known: {', '.join(PEERS)}.")
        found.append(PEERS[name])
    return found
