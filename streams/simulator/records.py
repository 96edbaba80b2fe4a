"""What a simulation yields: events to send, and the truth that no pipeline may read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """One Kafka message. `value` is None for a tombstone; `arrives_at_us` is UTC microseconds.

    `late` marks evidence that arrives days later, after the live phase.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    arrives_at_us: int
    late: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """Whether one response was really bad, and why (a code of `failures.REASONS`, None when good).

    `behavior_version` reads ``model_version|prompt_name@prompt_version``.
    """

    request_id: str
    session_id: str
    feature: str
    bad: bool
    reason: str | None
    behavior_version: str


def write_truth(path: str | Path, truths: Iterable[Truth]) -> None:
    """Write one JSON object a line, in the order given; makes the parent folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        for truth in truths:
            file.write(encode(truth) + b"\n")


def read_truth(path: str | Path) -> list[Truth]:
    """Read back what `write_truth` wrote, for measuring a score against it."""
    decode = msgspec.json.Decoder(Truth).decode
    with Path(path).open("rb") as file:
        return [decode(line) for line in file]
