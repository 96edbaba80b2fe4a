"""Edges where a stream and a batch join could disagree, one by one."""

from __future__ import annotations

from typing import Any

from polars.testing import assert_frame_equal

from tests.joiners.stream import Stream, everything_at_once
from tests.strategies import HORIZON, LATENESS, Row, Traffic


def request(name: str, us: int) -> Row:
    texts = dict.fromkeys(("prompt_text", "response_text", "ending", "finish_reason", "error_type"))
    return {"request_id": name, "us": us, "session_id": "s0"} | texts


def signal(name: str, us: int, request_id: str | None = None) -> Row:
    made = {"event_id": name, "us": us, "session_id": "s0", "request_id": request_id}
    return made | {"kind": "copy", "value": None, "text": None}


def outcome(name: str, us: int, request_id: str | None = None, supersedes: str | None = None) -> Row:
    made = {"event_id": name, "us": us, "session_id": "s0", "request_id": request_id}
    return made | {"kind": "ticket", "success": True, "supersedes": supersedes}


def both_ways(**kinds: list[Row]) -> dict[str, dict[str, Any]]:
    """The rows by request, after the stream (one message a poll) was found to agree with the batch."""
    traffic = Traffic(
        {
            (kind, 0): [row | {"partition": 0, "offset": i} for i, row in enumerate(rows)]
            for kind, rows in kinds.items()
        }
    )
    stream = Stream(traffic, [1], topics_quiet=False)
    stream.finish()
    rows = stream.rows()
    assert_frame_equal(rows, everything_at_once(traffic.places))
    return {row["request_id"]: row for row in rows.to_dicts()}


def test_evidence_at_the_end_of_the_window_that_is_as_late_as_allowed() -> None:
    latest = HORIZON + LATENESS
    rows = both_ways(
        requests=[request("r0", 0), request("r1", latest)],
        signals=[*(signal(f"g{i}", latest) for i in range(3)), signal("just", HORIZON)],
        outcomes=[outcome("o", latest)],
    )
    assert rows["r0"]["signal_ids"] == ["just"]


def test_evidence_that_names_a_request_but_is_older() -> None:
    rows = both_ways(
        requests=[request("r0", 10), request("r1", 18), request("r2", 40)],
        signals=[signal("older", 5, "r0"), signal("g1", 20, "r1"), signal("g2", 40)],
        outcomes=[outcome("o", 40)],
    )
    assert rows["r0"]["signal_ids"] == []


def test_an_amendment_that_belongs_to_another_request() -> None:
    rows = both_ways(
        requests=[request("r0", 0), request("r1", 5), request("r2", 14)],
        signals=[signal("g", 14)],
        outcomes=[
            outcome("o1", 4, "r0"),
            *(outcome(f"x{i}", 14) for i in range(3)),
            outcome("o2", 12, supersedes="o1"),
        ],
    )
    assert rows["r0"]["outcome_count"] == 1


def test_two_requests_of_a_session_at_the_same_moment() -> None:
    rows = both_ways(
        requests=[request("b", 0), request("a", 0), request("z", 40)],
        signals=[signal("g", 0), signal("h", 40)],
        outcomes=[outcome("o", 40)],
    )
    assert (rows["a"]["signal_ids"], rows["b"]["signal_ids"]) == ([], ["g"])
