"""Amended outcomes in the join: what a window may know of them, and what everything known says."""

from __future__ import annotations

from typing import Any

from joiners.attribution import attribute
from joiners.interactions import join
from tests.factories import light

HORIZON = 10
REQUESTS = [
    {"request_id": "a", "us": 0},
    {"request_id": "b", "us": 8},
    {"request_id": "z", "session_id": "t"},
]


def outcome(name: str, us: int, *, supersedes: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"event_id": name, "us": us, "success": name == "new", "supersedes": supersedes} | fields


def ids(*outcomes: dict[str, Any], ever: bool = False) -> dict[str, list[str]]:
    """Request → outcomes joined with it."""
    rows = join(
        light("requests", REQUESTS),
        light("signals", []),
        light("outcomes", outcomes),
        horizon_us=HORIZON,
        late_evidence=ever,
    )
    return {r: found for r, found in rows.select("request_id", "outcome_ids").iter_rows() if found}


def test_inside_one_window_it_goes_where_the_amended_one_went() -> None:
    # By its own time it would belong to b.
    pair = outcome("old", 5), outcome("new", 9, supersedes="old")
    assert ids(*pair) == ids(*pair, ever=True) == {"a": ["old", "new"]}
    assert ids(*reversed(pair)) == {"a": ["old", "new"]}


def test_what_it_names_itself_does_not_matter_once_the_amended_one_is_known() -> None:
    pair = outcome("old", 5, request_id="a"), outcome("new", 9, supersedes="old", request_id="b")
    assert ids(*pair, ever=True) == {"a": ["old", "new"]}


def test_a_window_goes_by_its_own_events_only() -> None:
    # `old` happened before b's window: by the time b settles it may have been forgotten, or not.
    pair = outcome("old", 5), outcome("new", 12, supersedes="old")
    assert ids(*pair) == ids(*pair[:1]) == {"a": ["old"]}
    assert ids(*pair, ever=True) == {"a": ["old", "new"]}


def test_without_the_amended_one_it_counts_for_the_request_it_names() -> None:
    named, timed = (
        outcome("new", 9, supersedes="gone", request_id="a"),
        outcome("other", 9, supersedes="gone"),
    )
    assert ids(named, timed) == {"a": ["new"]}
    assert ids(named, timed, ever=True) == {"a": ["new"], "b": ["other"]}


def test_another_session_is_not_looked_for_in_a_window() -> None:
    pair = outcome("old", 5), outcome("new", 6, supersedes="old", session_id="t", request_id="z")
    assert ids(*pair) == {"a": ["old"], "z": ["new"]}
    assert ids(*pair, ever=True) == {"a": ["old", "new"]}


def test_partitions_are_apart_until_everything_is_known() -> None:
    elsewhere = (
        outcome("far", 5, partition=1),
        outcome("named", 6, partition=1, request_id="a", session_id=None),
    )
    amended = outcome("old", 5), outcome("new", 6, supersedes="old", partition=1)
    assert ids(*elsewhere, *amended) == {"a": ["old"]}
    assert ids(*elsewhere, *amended, ever=True) == {"a": ["far", "old", "named", "new"]}


def test_a_long_chain_in_any_order() -> None:
    chain = [outcome("o00", 1)] + [
        outcome(f"o{n:02}", 1 + n % 3, supersedes=f"o{n - 1:02}", request_id=f"no-{n}") for n in range(1, 40)
    ]
    found = attribute(light("requests", REQUESTS), light("outcomes", chain[::-1]))
    assert set(found["target"]) == {"a"}


def test_circles_and_what_hangs_on_them_go_by_their_own_words() -> None:
    circle = [
        outcome("o1", 1, supersedes="o2", request_id="a"),
        outcome("o2", 2, supersedes="o3", request_id="b"),
        outcome("o3", 3, supersedes="o1", request_id="z"),
        outcome("o4", 4, supersedes="o3", request_id="b"),
    ]
    expected = {"a": ["o1"], "b": ["o2", "o4"], "z": ["o3"]}
    assert ids(*circle, ever=True) == expected
    found = attribute(light("requests", REQUESTS), light("outcomes", circle))
    assert found["target"].to_list() == ["a", "b", "z", "b"]


def test_two_amendments_of_one_outcome_both_count() -> None:
    rows = join(
        light("requests", REQUESTS[:1]),
        light("signals", []),
        light(
            "outcomes",
            [outcome("old", 1), outcome("new", 2, supersedes="old"), outcome("other", 3, supersedes="old")],
        ),
        horizon_us=HORIZON,
    )
    assert rows.select("outcome_count", "outcome_success").rows() == [(2, 0.5)]
