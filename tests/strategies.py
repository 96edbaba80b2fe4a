"""Random traffic for property tests of the join.

One tick is one microsecond, so that windows of a few ticks meet every boundary and every tie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

HORIZON = 10
LATENESS = 3
LAST_TICK = 60
KINDS = ("requests", "signals", "outcomes")
SESSIONS = {"s0": 0, "s1": 1, "s2": 0}
"""Session → Kafka partition."""

PROMPTS = [None, "reset my password", "password my reset", "where is the invoice", "reset my passwort"]
BROKEN_OFF = "Open the settings page. Then click on the button that lies next"
ENDINGS = {
    None: None,
    "open the settings page": "closed",
    "I'm sorry, but I can't help with that.": "closed",
    "42": "closed",
    BROKEN_OFF: "open",
    "...": "empty",
}
"""Responses and how they end."""
RESPONSES = list(ENDINGS)
EDITS = ["open the settings", "43", "x", "Open the settings page!", "do not open the settings page"]
SIGNALS = (
    *("thumbs", "rating", "comment", "edit", "copy", "accept", "undo"),
    *("regenerate", "retry", "dwell", "abandon", "escalate", "report"),
)

Row = dict[str, Any]
Place = tuple[str, int]
"""A kind and a partition."""


@dataclass(frozen=True)
class Traffic:
    """Messages per place in the order of their offsets, each disordered by at most LATENESS."""

    places: Mapping[Place, list[Row]]

    def rows(self, kind: str) -> list[Row]:
        """Every message of a kind, repeats included."""
        return [row for (k, _), rows in sorted(self.places.items()) if k == kind for row in rows]


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


# Half of them on a coarse grid: that is how far apart a horizon's edges are.
_ticks = st.integers(0, LAST_TICK) | st.sampled_from(range(0, LAST_TICK + 1, HORIZON // 2))
_sessions = st.sampled_from(sorted(SESSIONS))


def _sizes(most: int) -> st.SearchStrategy[int]:
    """How many rows: mostly many, because rare meetings need company."""
    return st.sampled_from([0, 1, most // 2, most, most, most])


@st.composite
def requests(draw: st.DrawFn, most: int = 8) -> list[Row]:
    """Requests of a few sessions; `home` is their partition where it is not the session's."""
    size = draw(_sizes(most))
    homes = st.sampled_from([None] * 9 + [0, 1])
    rows = [
        {
            "request_id": f"r{i}",
            "home": draw(homes),
            "session_id": draw(_sessions),
            "us": draw(_ticks),
            "prompt_text": draw(st.sampled_from(PROMPTS)),
            "response_text": draw(st.sampled_from(RESPONSES)),
            "finish_reason": draw(st.sampled_from([None, "stop", "length", "content_filter", "error"])),
            "error_type": draw(st.sampled_from([None, None, None, "Timeout"])),
        }
        for i in range(size)
    ]
    return [row | {"ending": ENDINGS[row["response_text"]]} for row in rows]


def _value(kind: str) -> st.SearchStrategy[float | None]:
    if kind == "thumbs":
        return st.sampled_from([1.0, -1.0])
    if kind == "rating":
        return st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0])
    return st.sampled_from([0.0, 250.0, 4000.0]) if kind == "dwell" else st.none()


_AFTER = (0, 1, HORIZON // 2, HORIZON, HORIZON + 1, -1)
"""How long after a request things happen: where windows open and close."""


@st.composite
def _moment(draw: st.DrawFn, requests: list[Row]) -> int:
    """When an event happens: any time, or near a request."""
    near = requests and draw(st.booleans())
    return draw(st.sampled_from(requests))["us"] + draw(st.sampled_from(_AFTER)) if near else draw(_ticks)


@st.composite
def _target(draw: st.DrawFn, requests: list[Row]) -> Row:
    """What an event says about where it belongs: a session always, a request sometimes.

    `home` is the partition it travels on. The session's, as a rule; producers that choose another key
    exist.
    """
    explicit = draw(st.sampled_from(["no", "no", "yes", "yes", "unknown", "contrary"]))
    request = draw(st.sampled_from(requests)) if requests and explicit in ("yes", "contrary") else None
    session = request["session_id"] if request and explicit == "yes" else draw(_sessions)
    named = request["request_id"] if request else "nobody" if explicit == "unknown" else None
    elsewhere = draw(st.integers(0, 9)) == 0
    home = SESSIONS[session] ^ int(elsewhere)
    return {"session_id": session, "request_id": named, "home": home}


@st.composite
def signals(draw: st.DrawFn, requests: list[Row]) -> list[Row]:
    """Signals: implicit, explicit, about nobody."""
    rows = []
    for i in range(draw(_sizes(12))):
        kind = draw(st.sampled_from(SIGNALS))
        text = draw(_maybe(st.sampled_from(EDITS))) if kind == "edit" else None
        rows.append(
            {
                "event_id": f"g{i}",
                "us": draw(_moment(requests)),
                "kind": kind,
                "value": draw(_value(kind)),
                "text": text,
            }
            | draw(_target(requests))
        )
    return rows


@st.composite
def outcomes(draw: st.DrawFn, requests: list[Row]) -> list[Row]:
    """Outcomes, some without a session, some amending others in chains and circles."""
    rows: list[Row] = []
    for i in range(draw(_sizes(8))):
        row = {
            "event_id": f"o{i}",
            "us": draw(_moment(requests)),
            "kind": "ticket",
            "success": draw(_maybe(st.booleans())),
            "supersedes": None,
        } | draw(_target(requests))
        if row["request_id"] is not None and draw(st.booleans()):
            row["session_id"] = None
        rows.append(row)
    for row in rows:
        amended = draw(st.sampled_from([*(r["event_id"] for r in rows), "unseen", *[None] * 4]))
        row["supersedes"] = amended
        if amended in {r["event_id"] for r in rows} and draw(st.booleans()):
            # As a rule an amendment comes from the same system and names the same place.
            place = next(r for r in rows if r["event_id"] == amended)
            row |= {k: place[k] for k in ("session_id", "request_id", "home")}
    return rows


@st.composite
def traffic(draw: st.DrawFn) -> Traffic:
    """Requests with evidence: implicit, explicit, orphaned, repeated, amended, out of order."""
    asked = draw(requests())
    by_kind = {"requests": asked, "signals": draw(signals(asked)), "outcomes": draw(outcomes(asked))}
    places: dict[Place, list[Row]] = {(k, p): [] for k in KINDS for p in sorted(set(SESSIONS.values()))}
    for kind, rows in by_kind.items():
        arrivals: dict[int, list[tuple[int, int, Row]]] = {0: [], 1: []}
        for row in rows:
            home = row.pop("home", None)
            home = SESSIONS[row["session_id"]] if home is None else home
            for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
                order = row["us"] + draw(st.integers(0, LATENESS)), len(arrivals[home])
                arrivals[home].append((*order, row | {"partition": home}))
        for home, copies in arrivals.items():
            ordered = sorted(copies, key=lambda copy: copy[:2])
            places[kind, home] = [row | {"offset": offset} for offset, (_, _, row) in enumerate(ordered)]
    return Traffic(places)


def batch_sizes() -> st.SearchStrategy[list[int]]:
    """How many messages of the next place each poll returns; used round and round."""
    return st.lists(st.integers(0, 4), min_size=1, max_size=12).filter(any)
