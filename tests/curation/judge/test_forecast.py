"""The estimate before a run: what is asked, what it costs, which limit stops it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.judge.budget import Limits, Prices
from curation.judge.forecast import Experience, Forecast, forecast
from curation.judge.verdicts import Spend

PRICES = Prices(input_per_million=1.0, output_per_million=4.0)


def predicted(sizes: list[int], **changes: Any) -> Forecast:
    return forecast(
        sizes,
        contents=changes.pop("contents", len(sizes)),
        max_tokens=100,
        prices=PRICES,
        limits=Limits(**changes.pop("limits", {})),
        **changes,
    )


def test_without_experience_it_goes_by_size() -> None:
    found = predicted([400, 800], contents=5)
    assert (found.cached, found.asked, found.unjudged, found.limit) == (3, 2, 0, "")
    assert found.expected == PRICES.spend(300, 60) + Spend(calls=1)
    assert found.at_most.output_tokens == 200


def test_with_experience_it_goes_by_what_was_paid() -> None:
    known = Experience(verdicts=20, input_tokens=1_000, output_tokens=50)
    assert predicted([1] * 3, experience=known).expected.input_tokens == 3_000
    few = Experience(verdicts=19, input_tokens=1_000, output_tokens=50)
    assert predicted([4] * 3, experience=few).expected.input_tokens == 3


@pytest.mark.parametrize(
    ("limits", "asked", "limit"),
    [
        ({"calls": 3}, 3, "calls"),
        ({"tokens": 550}, 4, "tokens"),
        ({"cost_usd": 0.0005}, 2, "cost"),
        ({}, 9, ""),
    ],
)
def test_the_first_limit_stops_it_and_is_named(limits: dict[str, Any], asked: int, limit: str) -> None:
    found = predicted([400] * 9, limits=limits)
    assert (found.asked, found.limit, found.unjudged) == (asked, limit, 9 - asked)


@given(st.lists(st.integers(1, 10_000), max_size=50), st.integers(0, 60), st.integers(0, 100_000))
def test_the_expected_spend_is_within_the_limits_and_below_the_most(
    sizes: list[int], calls: int, tokens: int
) -> None:
    found = predicted(sizes, limits={"calls": calls, "tokens": tokens})
    assert found.expected.calls == found.asked <= calls
    assert found.expected.tokens <= tokens
    assert found.expected.cost_usd <= found.at_most.cost_usd
    assert bool(found.limit) == (found.unjudged > 0)
