"""Traffic as bad as production has it, as JSON messages with the time each reaches the broker.

One tick is one second. The day ends in the middle, sessions go on beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import strategies as st

from tests import strategies
from tests.factories import SECOND, START_US, consent_event, outcome_event, request_event, signal_event
from tests.strategies import HORIZON, KINDS, LATENESS, SESSIONS, Place, Row

DAY = 86_400
MIDNIGHT = DAY // 2
"""Ticks from START (noon) to the end of the day."""

BASE = MIDNIGHT - strategies.LAST_TICK // 2
"""Tick of the first events."""

BROKEN = (b"{", b"\xff", b'{"event_id": "x"}', None)


@dataclass(frozen=True)
class Sent:
    """A message: when it reaches the broker (ticks), its row (None: unusable) and its value."""

    arrives: int
    row: Row | None
    value: bytes | None


Log = list[Sent]


@dataclass(frozen=True)
class Disturbed:
    """The logs of all places, in order of arrival. `stamped`: what message timestamps say."""

    logs: Mapping[Place, Log]
    stamped: str

    def rows(self, kind: str) -> list[Row]:
        """Every usable row of a kind, repeats included, with partition and offset."""
        return [
            sent.row | {"partition": partition, "offset": offset}
            for (k, partition), log in sorted(self.logs.items())
            if k == kind
            for offset, sent in enumerate(log)
            if sent.row is not None
        ]

    def timestamp_us(self, sent: Sent) -> int:
        """The broker's timestamp of a message: when it came, or what the producer says."""
        told = sent.row["us"] if sent.row is not None and self.stamped == "by event" else sent.arrives
        return START_US + told * SECOND


DERIVED = ("us", "event_id", "request_id", "ending")
"""Fields of a row that its event does not carry under that name."""


def encoded(kind: str, row: Row) -> bytes:
    """A row as its producer sends it."""
    seconds = row["us"]
    given = {k: v for k, v in row.items() if v is not None and k not in DERIVED}
    event: dict[str, Any]
    if kind == "requests":
        texts = {"prompt": given.pop("prompt_text", None), "response": given.pop("response_text", None)}
        event = request_event(row["request_id"], seconds=seconds, **given, **texts)
    else:
        make = signal_event if kind == "signals" else outcome_event
        event = make(row["event_id"], seconds=seconds, request_id=row["request_id"], **given)
        event["session_id"] = row["session_id"]
        if kind == "outcomes":
            event["success"] = row["success"]
    return msgspec.json.encode({k: v for k, v in event.items() if v is not None or k == "success"})


_in_time = st.integers(0, LATENESS)
_days = st.sampled_from([DAY, 2 * DAY, 9 * DAY])
_delays = st.sampled_from(
    [
        st.one_of(_in_time, _in_time, st.integers(LATENESS + 1, 5 * HORIZON), _days),
        # Stragglers: the others were settled, in peace, long before.
        st.one_of(_in_time, _in_time, _days),
        _in_time,
    ]
)
"""Ticks between an event and its arrival: in time, late, days late. One strategy for all of a kind."""

_moved = st.sampled_from([0] * 12 + [-30, 30, DAY])
"""By how much a repeat's event time differs from the first copy's."""


@st.composite
def _arrivals(draw: st.DrawFn, kind: str, row: Row, delays: st.SearchStrategy[int]) -> list[tuple[int, Sent]]:
    """The copies of an event with the partition each is sent to. `delay` in a row: that of all of them."""
    delays = st.just(row.pop("delay")) if "delay" in row else delays
    home = row.pop("home", None)
    home = SESSIONS[row["session_id"]] if home is None else home
    copies = []
    for n in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        # Skew comes after the fact: an event may lie before its request or days ahead of its session.
        copy = row | {"us": BASE + row["us"] + (draw(_moved) if n else 0)}
        copies.append((home, Sent(copy["us"] + draw(delays), copy, encoded(kind, copy))))
    return copies


@st.composite
def _straggler(draw: st.DrawFn) -> list[Row]:
    """Time and delay of a session's requests, one of which comes days late, between two that were in time."""
    first = draw(st.integers(0, strategies.LAST_TICK - HORIZON))
    gaps = draw(st.sampled_from([(1, 2), (3, 8), (5, HORIZON), (HORIZON - 1, HORIZON + 3)]))
    place = {"session_id": "s0", "home": SESSIONS["s0"]}
    times = (first, first + gaps[1], first + gaps[0])
    return [place | {"us": us, "delay": delay} for us, delay in zip(times, (0, 0, draw(_days)), strict=True)]


@st.composite
def disturbed(draw: st.DrawFn) -> Disturbed:
    """Late, repeated, moved, amended, orphaned, unusable, on two partitions, across midnight."""
    requests = draw(strategies.requests(most=16))
    if draw(st.booleans()):
        for row, changes in zip(requests, draw(_straggler()), strict=False):
            row |= changes
    # Where evidence is rare, nothing but the next request tells that one came late.
    most = draw(st.sampled_from([0, 20, 20, 20]))
    by_kind = {
        "requests": requests,
        "signals": draw(strategies.signals(requests))[:most],
        "outcomes": draw(strategies.outcomes(requests))[:most],
    }
    if draw(st.booleans()):
        # One long session: every request has a next one.
        for row in (row for rows in by_kind.values() for row in rows if row["session_id"] is not None):
            row |= {"session_id": "s0", "home": SESSIONS["s0"]}
    logs: dict[Place, Log] = {(kind, p): [] for kind in (*KINDS, "consents") for p in (0, 1)}
    for kind, rows in by_kind.items():
        delays = draw(_delays)
        for row in rows:
            for home, sent in draw(_arrivals(kind, row, delays)):
                logs[kind, home].append(sent)
    for n in range(draw(st.integers(0, 2))):
        event = consent_event(f"c{n}", seconds=BASE)
        logs["consents", n].append(
            Sent(BASE + n, {"event_id": f"c{n}", "us": BASE}, msgspec.json.encode(event))
        )
    for value in draw(st.lists(st.sampled_from(BROKEN), max_size=3)):
        place = draw(st.sampled_from(sorted(logs)))
        logs[place].append(Sent(BASE + draw(st.integers(0, 60)), None, value))
    ordered = {place: sorted(log, key=lambda sent: sent.arrives) for place, log in logs.items()}
    return Disturbed(ordered, draw(st.sampled_from(["on arrival", "by event"])))
