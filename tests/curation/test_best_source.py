from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.pairs import PREFERRED_SOURCES, best_source
from tests.curation.final_rows import final_row


def pairs(*rows: tuple[str | None, str, str | None]) -> pl.DataFrame:
    """Pairs by (failing request, source, chosen request)."""
    made = [
        {
            **final_row(f"{failing}"),
            "pair_source": source,
            "rejected_request_id": failing,
            "chosen_request_id": chosen,
            "request_ids": [f"{failing}", *([chosen] if chosen else [])],
        }
        for failing, source, chosen in rows
    ]
    return pl.DataFrame(
        made, schema_overrides={"rejected_request_id": pl.String, "chosen_request_id": pl.String}
    )


@pytest.mark.parametrize(
    ("sources", "kept"),
    [
        (("judge_rewrite", "user_edit", "regenerate_accept"), "user_edit"),
        (("judge_rewrite", "regenerate_accept"), "regenerate_accept"),
        (("judge_rewrite",), "judge_rewrite"),
        (("something_new", "judge_rewrite"), "judge_rewrite"),
    ],
)
def test_what_people_did_comes_before_what_a_judge_wrote(sources: tuple[str, ...], kept: str) -> None:
    result = best_source(pairs(*(("r1", source, None) for source in sources)))
    assert result.kept["pair_source"].to_list() == [kept]
    assert result.refused["reason"].to_list() == ["better_evidence"] * (len(sources) - 1)
    assert set(result.refused["detail"]) <= {f"a pair from {kept} is kept"}


def test_pairs_of_different_requests_stay_in_order() -> None:
    rows = pairs(("b", "judge_rewrite", None), ("a", "user_edit", None), ("c", "regenerate_accept", "d"))
    result = best_source(rows)
    assert result.kept.equals(rows)
    assert result.refused.is_empty()


def test_pairs_without_a_failing_request_are_nobodys_second() -> None:
    rows = pairs((None, "user_edit", None), (None, "judge_rewrite", None))
    assert best_source(rows).kept.equals(rows)


def test_no_pairs() -> None:
    assert best_source(pairs(("r", "user_edit", None)).clear()).kept.is_empty()


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.sampled_from(PREFERRED_SOURCES), st.none() | st.sampled_from("xy")
        ),
        min_size=1,
        max_size=8,
    ),
    st.randoms(),
)
def test_one_pair_per_failing_request_whatever_the_order(
    rows: list[tuple[str, str, str | None]], dice: object
) -> None:
    result = best_source(pairs(*rows))
    best = {
        failing: min(PREFERRED_SOURCES.index(s) for f, s, _ in rows if f == failing) for failing, _, _ in rows
    }
    kept = dict(result.kept.select("rejected_request_id", "pair_source").iter_rows())
    assert {failing: PREFERRED_SOURCES.index(source) for failing, source in kept.items()} == best
    assert result.kept.height == len(best)
    assert result.kept.height + result.refused.height == len(rows)
    shuffled = list(rows)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    columns = ["rejected_request_id", "pair_source", "chosen_request_id"]
    again = best_source(pairs(*shuffled)).kept.select(columns).sort(columns)
    assert again.equals(result.kept.select(columns).sort(columns))
