"""Which request a signal or an outcome belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from joiners.attribution import attribute
from joiners.interactions import join
from tests.factories import light

REQUESTS = [
    {"request_id": "a", "us": 10},
    {"request_id": "b", "us": 20},
    {"request_id": "c", "us": 20},
    {"request_id": "d", "us": 30},
    {"request_id": "x", "us": 15, "session_id": "s2"},
]


def target(**event: Any) -> str | None:
    evidence = light("signals", [{"event_id": "e"} | event])
    return attribute(light("requests", REQUESTS), evidence)["target"].item()


@pytest.mark.parametrize(
    ("us", "request_id"), [(9, None), (10, "a"), (19, "a"), (20, "c"), (29, "c"), (30, "d"), (10**9, "d")]
)
def test_the_latest_request_at_or_before_the_event(us: int, request_id: str | None) -> None:
    assert target(us=us) == request_id


def test_an_explicit_request_beats_time_and_session() -> None:
    assert target(us=35, request_id="a") == "a"
    assert target(us=35, request_id="x") == "x"
    assert target(us=35, request_id="a", session_id=None) == "a"


def test_an_unknown_explicit_request_makes_an_orphan() -> None:
    assert target(us=35, request_id="nobody") is None


def test_events_without_session_or_request_of_theirs_are_orphans() -> None:
    assert target(us=35, session_id=None) is None
    assert target(us=35, session_id="empty") is None
    assert target(us=14, session_id="s2") is None


def test_every_event_is_kept() -> None:
    events = [{"event_id": f"e{i}", "us": i, "request_id": r} for i, r in enumerate([None, "a", "nobody"])]
    found = attribute(light("requests", REQUESTS), light("signals", events))
    assert sorted(found["event_id"]) == ["e0", "e1", "e2"]


def joined(evidence: dict[str, list[dict[str, Any]]], **options: Any) -> dict[str, Any]:
    frames = [light(kind, evidence.get(kind, [])) for kind in ("requests", "signals", "outcomes")]
    return join(*frames, horizon_us=100, **options).row(0, named=True)


def test_an_outcome_without_a_session_is_joined_by_its_request() -> None:
    row = joined(
        {
            "requests": [{"request_id": "a"}],
            "outcomes": [{"event_id": "o", "us": 5, "session_id": None, "request_id": "a", "success": False}],
        }
    )
    assert (row["outcome_ids"], row["outcome_success"]) == (["o"], 0.0)


def test_a_replaced_outcome_is_listed_but_does_not_count() -> None:
    outcomes = [
        {"event_id": "o1", "us": 1, "success": False},
        {"event_id": "o2", "us": 2, "success": True, "supersedes": "o1"},
        {"event_id": "o3", "us": 3, "success": None, "supersedes": "o2"},
    ]
    first_two = joined({"requests": [{"request_id": "a"}], "outcomes": outcomes[:2]})
    assert (first_two["outcome_success"], first_two["outcome_count"]) == (1.0, 1)
    everything = joined({"requests": [{"request_id": "a"}], "outcomes": outcomes})
    assert (everything["outcome_success"], everything["outcome_count"]) == (None, 0)
    assert everything["outcome_ids"] == ["o1", "o2", "o3"]


def test_no_known_outcome_is_unobserved_not_success() -> None:
    row = joined(
        {"requests": [{"request_id": "a"}], "outcomes": [{"event_id": "o", "us": 1, "success": None}]}
    )
    assert (row["has_outcome"], row["outcome_success"], row["outcome_count"]) == (False, None, 0)


@pytest.mark.parametrize(("us", "counts"), [(-1, False), (0, True), (100, True), (101, False)])
def test_evidence_counts_inside_the_window_and_late_only_when_asked(us: int, counts: bool) -> None:
    events = {
        "requests": [{"request_id": "a"}],
        "signals": [{"event_id": "g", "us": us, "request_id": "a"}],
    }
    assert joined(events)["signal_ids"] == (["g"] if counts else [])
    assert joined(events, late_evidence=True)["signal_ids"] == ["g"]


def test_repeats_count_once_and_the_first_copy_wins() -> None:
    row = joined(
        {
            "requests": [
                {"request_id": "a", "offset": 7, "model": "second"},
                {"request_id": "a", "model": "first"},
            ],
            "signals": [{"event_id": "g", "us": 1, "offset": i} for i in range(3)],
        }
    )
    assert (row["model"], row["copy_count"], row["signal_ids"]) == ("first", 1, ["g"])


def test_context_is_followed_up_but_gets_no_row() -> None:
    frames = [
        light("requests", [{"request_id": "a", "prompt_text": "reset my password"}]),
        light("signals", [{"event_id": "g", "us": 6}]),
        light("outcomes", []),
    ]
    context = light("requests", [{"request_id": "b", "us": 5, "prompt_text": "reset my password"}])
    rows = join(*frames, horizon_us=100, context=context)
    assert rows.select("request_id", "retry_count", "copy_count", "has_abandon").rows() == [
        ("a", 1, 0, False)
    ]
