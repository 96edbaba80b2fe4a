"""Sliding counts agree with a list of everything that happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.rates import Alarm, CountWindow, MinuteRing

steps = st.lists(
    st.tuples(st.floats(0, 900, allow_nan=False), st.integers(0, 50), st.integers(0, 50)), max_size=60
)


@given(steps, st.floats(0, 10_000, allow_nan=False))
def test_a_ring_holds_the_last_hour(given_steps: list[tuple[float, int, int]], last: float) -> None:
    ring, now, all_of_it = MinuteRing(), 1_000_000.0, []
    for pause, count, _ in given_steps:
        now += pause
        ring.add(now, count)
        all_of_it.append((now // 60, count))
    now += last
    wanted = [sum(n for minute, n in all_of_it if minute == now // 60 - 59 + i) for i in range(60)]
    assert ring.per_minute(now) == wanted


@given(steps)
def test_a_window_counts_five_minutes_to_a_twentieth(given_steps: list[tuple[float, int, int]]) -> None:
    window: CountWindow[str] = CountWindow(300)
    now, all_of_it = 5_000.0, []
    for pause, total, bad in given_steps:
        now += pause
        window.add(now, {"all": total, "bad": bad})
        all_of_it.append((now, total, bad))
        found = window.counts(now)
        certain = [(t, b) for at, t, b in all_of_it if at > now - 300 + 15]
        possible = [(t, b) for at, t, b in all_of_it if at > now - 300]
        for i, key in enumerate(("all", "bad")):
            assert sum(x[i] for x in certain) <= found[key] <= sum(x[i] for x in possible)


def test_a_clock_that_goes_back_loses_nothing() -> None:
    ring, window = MinuteRing(), CountWindow(300)
    for now in (1_000.0, 400.0, 1_001.0):
        ring.add(now)
        window.add(now, {"x": 1})
    assert sum(ring.per_minute(1_001.0)) == 3
    assert window.counts(1_001.0) == {"x": 3}


def test_an_alarm_rings_once_until_it_has_calmed_down_or_an_hour_has_gone() -> None:
    alarm = Alarm(share=0.05, minimum=20)
    assert not alarm.rings(0, 100, 19)
    assert not alarm.rings(1, 1000, 49)
    assert alarm.rings(2, 1000, 50)
    assert not alarm.rings(3, 1000, 500)
    assert not alarm.rings(4, 1000, 30)  # fewer, but not half as many
    assert not alarm.rings(5, 1000, 60)
    assert not alarm.rings(6, 1000, 20)  # calm again
    assert alarm.rings(7, 1000, 60)
    assert not alarm.rings(3606, 1000, 60)
    assert alarm.rings(3607, 1000, 60)
