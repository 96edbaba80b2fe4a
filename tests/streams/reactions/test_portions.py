"""Portions of failures: about as many as five seconds bear, none lost, none twice, in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.reactions.portions import LEAST, Portions


@pytest.mark.parametrize(("per_second", "size"), [(4, LEAST), (40, 200), (180, 900), (5_000, 1_000)])
def test_the_size_follows_the_rate(per_second: float, size: int) -> None:
    portions = Portions(1_000)
    for _ in range(4):
        portions.took(portions.size, portions.size / per_second)
    assert portions.size == size


def test_few_items_do_not_shrink_it() -> None:
    portions = Portions(1_000)
    portions.took(LEAST, LEAST / 100)
    assert portions.size == 500
    portions.took(3, 0.6)
    assert portions.size == 500
    portions.took(500, 20.0)
    assert portions.size == 125


@given(
    st.lists(st.lists(st.integers(), max_size=300), max_size=8),
    st.lists(st.floats(0, 100), min_size=1, max_size=40),
)
def test_every_item_once_and_in_order(batches: list[list[int]], seconds: list[float]) -> None:
    portions, clock = Portions(200), iter(seconds * 1_000)
    for batch in batches:
        met: list[int] = []
        for portion in portions.cut(batch):
            assert 0 < len(portion) <= portions.size <= 200
            met += portion
            portions.took(len(portion), next(clock))
        assert met == batch
