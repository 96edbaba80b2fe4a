"""A request that comes after its window settles at once with what is known."""

from __future__ import annotations

from joiners.windows import Window
from tests.factories import START_US, light

HORIZON = 10
PASSED = {0: START_US + 100}


def window_with(**kinds: list[dict[str, object]]) -> Window:
    window = Window(horizon_us=HORIZON)
    for kind, rows in kinds.items():
        window.add(kind, light(kind, rows))
    return window


def test_it_is_due_at_once_and_only_once() -> None:
    window = window_with(
        requests=[{"request_id": "late", "us": 0}, {"request_id": "open", "us": 95}],
        signals=[{"event_id": "g", "us": 5}],
    )
    due = window.due(PASSED)
    assert due.requests["request_id"].to_list() == ["late"]
    assert due.context["request_id"].to_list() == ["open"]
    assert due.signals["event_id"].to_list() == ["g"]
    assert window.due(PASSED).requests.is_empty()
    assert len(window) == 1


def test_what_has_passed_is_dropped_and_counted() -> None:
    window = window_with(
        requests=[{"request_id": "late", "us": 90}], signals=[{"event_id": "g", "us": 91, "offset": 4}]
    )
    window.due(PASSED)
    assert window.evict(PASSED) == {"requests": 1, "signals": 0, "outcomes": 0}
    assert window.hold_back() == {("signals", 0): 4}


def test_nothing_is_due_without_a_watermark() -> None:
    window = window_with(requests=[{"request_id": "r", "us": 0}])
    assert window.due({}).requests.is_empty()
    assert window.due({1: START_US + 10**9}).requests.is_empty()
    assert window.evict({}) == {"requests": 0, "signals": 0, "outcomes": 0}


def test_what_was_joined_before_is_context_only() -> None:
    window = Window(horizon_us=HORIZON)
    rows = light("requests", [{"request_id": "done"}, {"request_id": "new", "offset": 1}])
    window.add("requests", rows, settled=rows["request_id"].head(1))
    due = window.due(PASSED)
    assert due.requests["request_id"].to_list() == ["new"]
    assert due.context["request_id"].to_list() == ["done"]


def test_repeats_are_seen_in_the_window_and_in_the_batch() -> None:
    window = window_with(signals=[{"event_id": "a"}])
    batch = light("signals", [{"event_id": i} for i in ("a", "b", "b")])
    assert window.seen("signals", batch).to_list() == [True, False, True]


def test_given_up_partitions_are_forgotten() -> None:
    window = window_with(requests=[{"request_id": "r", "partition": p, "offset": p} for p in (0, 1)])
    window.revoke([0])
    assert window.hold_back() == {("requests", 1): 1}
