"""Nobody is called more often than agreed, and no alert is left out of every call."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.reactions.grouping import Grouping, RecentIds


@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.floats(0, 40, allow_nan=False), st.integers(0, 30)), max_size=40),
    st.randoms(use_true_random=False),
)
def test_calls_are_bounded_in_any_minute_and_every_item_is_in_one(most: int, bursts: list, dice) -> None:
    grouping: Grouping[int] = Grouping(most)
    now, item, calls = 0.0, 0, []

    def call(items: list[int]) -> None:
        if dice.random() < 0.2:  # came to nothing
            calls.append((now, []))
            grouping.put_back(items, now)
        else:
            calls.append((now, items))

    def settle() -> None:
        while items := grouping.due(now):
            call(items)

    for pause, count in bursts:
        now += pause
        settle()
        for _ in range(count):
            if grouping.offer(item, now):
                call([item])
            item += 1
    for _ in range(200):
        wait = grouping.wait_s(now)
        if wait is None:
            break
        assert wait <= 60 + 1e-6
        now += wait + 1e-6
        settle()
    assert sorted(i for _, items in calls for i in items) == list(range(item))
    for at, _ in calls:
        assert sum(at - 60 < other <= at for other, _ in calls) <= most


def test_a_burst_is_a_few_calls_and_a_sum() -> None:
    grouping: Grouping[int] = Grouping(6)
    alone = [i for i in range(1000) if grouping.offer(i, 0.0)]
    assert alone == [0, 1, 2, 3, 4]
    assert grouping.due(4.9) == []
    assert grouping.due(5.0) == list(range(5, 1000))
    assert grouping.wait_s(5.0) is None
    assert not grouping.offer(1000, 30.0)
    assert grouping.due(59.9) == []
    assert grouping.due(60.0) == [1000]


def test_what_came_to_nothing_goes_first() -> None:
    grouping: Grouping[str] = Grouping(2)
    assert grouping.offer("a", 0.0)
    assert not grouping.offer("b", 1.0)
    grouping.put_back(["a"], 2.0)
    assert grouping.due(7.0) == ["a", "b"]


@given(st.lists(st.text(max_size=4), max_size=200), st.integers(1, 20))
def test_recent_ids_are_the_last_ones_seen(names: list[str], most: int) -> None:
    recent = RecentIds(most)
    for name in names:
        recent.add(name)
        assert name in recent
    last = list(dict.fromkeys(reversed(names)))
    assert len(recent) == min(len(last), most)
    assert all((name in recent) == (i < most) for i, name in enumerate(last))
