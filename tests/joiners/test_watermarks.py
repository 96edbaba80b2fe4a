"""Watermarks: monotone, held back by the slowest topic, released by idle ones, capped by the clock."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from joiners.watermarks import Watermarks

NOW = 1_000_000
LATENESS = 10
IDLE = 5


def marks() -> Watermarks:
    made = Watermarks(("requests", "signals"), lateness_us=LATENESS, idle_us=IDLE)
    made.assign([0])
    return made


def test_the_slowest_topic_decides() -> None:
    made = marks()
    made.observe("requests", 0, 500)
    assert made.advance(now_us=NOW) == {}
    made.observe("signals", 0, 300)
    first = made.advance(now_us=NOW)[0]
    assert first < 300 - LATENESS + 1
    made.observe("requests", 0, 900)
    assert made.advance(now_us=NOW)[0] == first
    made.observe("signals", 0, 400)
    assert made.advance(now_us=NOW)[0] == first + 100


def test_an_event_exactly_at_the_lateness_is_not_late() -> None:
    made = marks()
    made.observe("requests", 0, 500)
    made.observe("signals", 0, 500)
    assert made.advance(now_us=NOW)[0] < 500 - LATENESS


def test_an_idle_topic_releases_the_others() -> None:
    made = marks()
    made.observe("requests", 0, 500)
    made.observe("signals", 0, 300)
    before = made.advance(now_us=NOW)[0]
    made.at_end("signals", 0, now_us=NOW)
    assert made.advance(now_us=NOW + IDLE - 1)[0] == before
    assert made.advance(now_us=NOW + IDLE)[0] == before + 200


def test_a_topic_that_never_got_an_event_does_not_block() -> None:
    made = marks()
    made.observe("requests", 0, 500)
    made.at_end("signals", 0, now_us=NOW)
    assert made.advance(now_us=NOW + IDLE - 1) == {}
    assert 0 in made.advance(now_us=NOW + IDLE)


def test_with_all_topics_idle_the_clock_closes_windows() -> None:
    made = marks()
    made.observe("requests", 0, 500)
    for topic in ("requests", "signals"):
        made.at_end(topic, 0, now_us=NOW)
    assert made.all_idle(now_us=NOW + IDLE)
    early, later = made.advance(now_us=NOW + IDLE)[0], made.advance(now_us=NOW + IDLE + 77)[0]
    assert NOW - LATENESS <= early < later == early + 77


def test_a_busy_topic_is_not_idle() -> None:
    made = marks()
    for topic in ("requests", "signals"):
        made.at_end(topic, 0, now_us=NOW)
    made.busy("signals", 0)
    assert not made.all_idle(now_us=NOW + IDLE)
    made.at_end("signals", 0, now_us=NOW + 3)
    assert not made.all_idle(now_us=NOW + IDLE)
    assert made.all_idle(now_us=NOW + IDLE + 3)


def test_a_wrong_clock_cannot_push_the_watermark_into_the_future() -> None:
    made = marks()
    for topic in ("requests", "signals"):
        made.observe(topic, 0, NOW + 10**9)
    assert made.advance(now_us=NOW)[0] <= NOW - LATENESS


def test_partitions_are_apart_and_can_be_given_up() -> None:
    made = marks()
    made.assign([1])
    for topic in ("requests", "signals"):
        made.observe(topic, 1, 500)
    assert set(made.advance(now_us=NOW)) == {1}
    made.revoke([1])
    assert made.advance(now_us=NOW) == {}


def test_closing_passes_every_window() -> None:
    made = marks()
    made.observe("requests", 0, 500)
    assert made.close(horizon_us=40)[0] >= 540
    assert made.advance(now_us=NOW)[0] >= 540


_topic = st.sampled_from(["requests", "signals"])
_operation = st.one_of(
    st.tuples(st.just("observe"), _topic, st.integers(NOW - 100, NOW + 100)),
    st.tuples(st.just("at_end"), _topic, st.integers(0, 9)),
    st.tuples(st.just("busy"), _topic, st.integers(0, 9)),
)


@given(st.lists(_operation, max_size=40))
def test_watermarks_only_move_forward_and_stay_behind_the_clock(operations: list[Any]) -> None:
    made, now, last = marks(), NOW - 100, None
    for name, topic, number in operations:
        now += 3
        if name == "observe":
            made.observe(topic, 0, number)
        elif name == "at_end":
            made.at_end(topic, 0, now_us=now)
        else:
            made.busy(topic, 0)
        current = made.advance(now_us=now).get(0)
        assert last is None or (current is not None and current >= last)
        assert current is None or current <= now - LATENESS
        last = current


def test_an_idle_topic_that_wakes_up_with_old_events_takes_nothing_back() -> None:
    made = marks()
    made.observe("requests", 0, 5000)
    made.at_end("signals", 0, now_us=NOW)
    ahead = made.advance(now_us=NOW + IDLE)[0]
    made.observe("signals", 0, 100)
    made.observe("requests", 0, 9000)
    assert made.advance(now_us=NOW + IDLE + 1)[0] == ahead
    made.at_end("signals", 0, now_us=NOW + IDLE + 2)
    assert made.advance(now_us=NOW + 3 * IDLE)[0] == ahead + 4000


def test_one_silent_partition_follows_the_clock_while_another_goes_by_its_events() -> None:
    made = marks()
    made.assign([0, 1])
    for topic in ("requests", "signals"):
        made.observe(topic, 0, 500)
        made.observe(topic, 1, 500)
        made.at_end(topic, 1, now_us=NOW)
    found = made.advance(now_us=NOW + IDLE)
    assert found == {0: 500 - LATENESS - 1, 1: NOW + IDLE - LATENESS - 1}


def test_a_partition_that_never_got_anything_follows_the_clock() -> None:
    made = marks()
    for topic in ("requests", "signals"):
        made.at_end(topic, 0, now_us=NOW)
    assert made.advance(now_us=NOW + IDLE) == {0: NOW + IDLE - LATENESS - 1}
