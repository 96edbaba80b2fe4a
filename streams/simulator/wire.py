"""How producers put events on the wire: JSON bytes, two spellings of time, fields we do not know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import msgspec

from contracts.events import Event
from streams.simulator.dice import Dice

encode: Final = msgspec.json.Encoder().encode

_EAST: Final = timezone(timedelta(hours=2))


@dataclass(slots=True)
class Sent:
    """An event on its way. `time_us` is its event time, UTC microseconds, on a whole millisecond."""

    topic: str
    key: bytes
    value: bytes
    time_us: int
    late: bool = False


def rfc3339(time_us: int, *, east: bool = False) -> str:
    """Event time as text, in UTC or two hours east of it."""
    zone = _EAST if east else UTC
    return datetime.fromtimestamp(time_us / 1_000_000, zone).isoformat(timespec="milliseconds")


def epoch_ms(time_us: int) -> int:
    """Event time as milliseconds since the epoch."""
    return time_us // 1000


def with_unknown_field(d: Dice, event: Event) -> bytes:
    """JSON of the event plus a field of a newer producer, which readers must ignore."""
    return encode(event)[:-1] + b',"trace_id":"%032x"}' % d.bits(128)
