"""What came next in a session, how much came within the horizon, how often the same was asked again."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joiners.attribution import NOWHERE
from joiners.interactions import join
from joiners.sessions import Sessions
from tests.factories import light

HOUR = 3_600_000_000
REQUESTS = [
    {"request_id": "a", "us": 10},
    {"request_id": "b", "us": 20},
    {"request_id": "c", "us": 20},
    {"request_id": "d", "us": 30},
    {"request_id": "x", "us": 15, "session_id": "s2"},
]
ASKED = "how do I reset the password of my account"
REWORDED = "how do I reset my password of the account"
AGAIN = "please, how do I reset the password of my account"
OTHER = "where is the invoice"


def sessions(rows: list[dict[str, Any]], horizon_us: int, **options: bool) -> Sessions:
    return Sessions(light("requests", rows), horizon_us=horizon_us, **options)


def test_the_next_request_of_the_session() -> None:
    assert sessions(REQUESTS, 10).next_in_time().tolist() == [1, 2, 3, NOWHERE, NOWHERE]
    assert sessions(REQUESTS, 9).next_in_time().tolist() == [NOWHERE, 2, NOWHERE, NOWHERE, NOWHERE]
    assert sessions(REQUESTS, 10).last_in_time().tolist() == [2, 3, 3, NOWHERE, NOWHERE]


def test_partitions_may_be_kept_apart() -> None:
    rows = [r | {"partition": i % 2} for i, r in enumerate(REQUESTS)]
    assert sessions(rows, 10, apart=True).next_in_time().tolist() == [2, 3, NOWHERE, NOWHERE, NOWHERE]
    assert sessions(rows, 10).next_in_time().tolist() == [1, 2, 3, NOWHERE, NOWHERE]


def test_no_requests() -> None:
    none = sessions([], 10)
    assert none.followers().tolist() == []
    assert none.next_in_time().tolist() == []


_requests = st.lists(
    st.tuples(st.sampled_from("pqr"), st.integers(0, 40) | st.integers(10**14, 10**14 + 40)), max_size=25
)


@settings(max_examples=200, deadline=None)
@given(_requests, st.integers(0, 20))
def test_followers_are_those_within_the_horizon(found: list[tuple[str, int]], horizon_us: int) -> None:
    rows = [{"request_id": f"r{i:02}", "session_id": s, "us": us} for i, (s, us) in enumerate(found)]
    order = sessions(rows, horizon_us)
    expected = [
        [
            j
            for j, other in enumerate(rows)
            if other["session_id"] == row["session_id"]
            and (other["us"], other["request_id"]) > (row["us"], row["request_id"])
            and other["us"] <= row["us"] + horizon_us
        ]
        for row in rows
    ]
    assert order.followers().tolist() == list(map(len, expected))
    picked = list(range(0, len(rows), 2))
    positions = pl.Series(picked, dtype=pl.Int64).to_numpy()
    assert sorted(order.all_followers(positions).tolist()) == sorted({j for i in picked for j in expected[i]})


def chains(*prompts: str | None, gap_us: int = 60_000_000, horizon_us: int = HOUR // 2) -> list[int | None]:
    rows = [
        {"request_id": f"r{i:02}", "us": i * gap_us, "prompt_text": prompt}
        for i, prompt in enumerate(prompts)
    ]
    joined = join(light("requests", rows), light("signals", []), light("outcomes", []), horizon_us=horizon_us)
    return joined.sort("request_id")["rephrase_chain"].to_list()


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        ((ASKED,), [None]),
        ((ASKED, OTHER), [0, None]),
        ((ASKED, REWORDED), [1, None]),
        # Four times the same wish: the first three answers failed.
        ((ASKED, AGAIN, ASKED, REWORDED, OTHER), [3, 2, 1, 0, None]),
        ((ASKED, OTHER, ASKED), [0, 0, None]),
        ((ASKED, None, ASKED), [None, None, None]),
        ((ASKED, ASKED, OTHER, OTHER), [1, 0, 1, None]),
    ],
)
def test_a_chain_counts_the_prompts_that_ask_the_same_again(
    prompts: tuple[str | None, ...], expected: list[int | None]
) -> None:
    assert chains(*prompts) == expected


def test_a_chain_ends_at_the_horizon_of_the_request() -> None:
    assert chains(*[ASKED] * 5, gap_us=HOUR // 6) == [3, 3, 2, 1, None]


def test_context_lengthens_a_chain() -> None:
    rows = [{"request_id": f"r{i}", "us": i, "prompt_text": ASKED} for i in range(4)]
    frames = light("signals", []), light("outcomes", [])
    context = light("requests", [*rows[:1], *rows[2:]])
    joined = join(light("requests", rows[1:2]), *frames, horizon_us=100, context=context)
    assert joined.select("request_id", "rephrase_chain", "follow_up_count").rows() == [("r1", 2, 2)]


def test_a_long_chain_costs_no_more_than_its_requests() -> None:
    assert chains(*[ASKED] * 2_000, gap_us=1)[:2] == [1_999, 1_998]
