"""What changed between two drops: rows, labels, distributions, settings."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.drops.diff import COMPARED, Change, changes, diff, shift
from tests.factories import table_rows


def drop(*rows: dict[str, Any]) -> pl.DataFrame:
    same = {"kind": "preference", "pair_source": "user_edit", "label": None}
    return table_rows("examples", [{**same, "request_ids": [row["example_id"]], **row} for row in rows])


A, B = {"drop_id": "a"}, {"drop_id": "b"}


def test_rows_are_told_apart_by_content() -> None:
    found = diff(
        drop({"example_id": "1"}, {"example_id": "2"}), drop({"example_id": "2"}, {"example_id": "3"}), A, B
    )
    assert (found.before, found.after) == ("a", "b")
    assert (found.added, found.removed, found.kept) == (["3"], ["1"], 1)
    assert (found.rows_before, found.rows_after) == (2, 2)


def test_a_request_that_says_something_else_is_named() -> None:
    before = drop(
        {
            "example_id": "1",
            "request_ids": ["r1"],
            "kind": "unpaired",
            "pair_source": "one_sided",
            "label": True,
        },
        {"example_id": "2", "request_ids": ["r2", "x"]},
        {"example_id": "3", "request_ids": ["r3"]},
    )
    after = drop(
        {
            "example_id": "4",
            "request_ids": ["r1"],
            "kind": "unpaired",
            "pair_source": "one_sided",
            "label": False,
        },
        {"example_id": "5", "request_ids": ["r2", "y"]},
        {"example_id": "3", "request_ids": ["r3"]},
    )
    (only,) = diff(before, after, A, B).relabelled
    assert only.request_id == "r1"
    assert (only.before, only.after) == (["unpaired good by one_sided"], ["unpaired bad by one_sided"])


def test_a_shift_is_measured_and_its_values_ordered() -> None:
    found = shift("feature", pl.Series(["x"] * 8 + ["y"] * 2), pl.Series(["x"] * 5 + ["y"] * 2 + [None] * 3))
    assert found.distance == pytest.approx(0.3)
    assert [s.value for s in found.shares] == ["x", "–", "y"]
    # 0.3 ln(0.5 / 0.8) taken away, and 0.3 from (nearly) nothing
    assert found.psi == pytest.approx(0.141 + 0.2999 * 8.006, abs=0.01)


def test_settings_are_compared_leaf_by_leaf() -> None:
    before = {"config": {"seed": 1, "caps": {"user": 5}}, "judge": "rules", "counts": 1}
    after = {"config": {"seed": 2, "caps": {"user": 5}, "new": [1]}, "judge": "rules"}
    assert changes(before, after) == [
        Change(name="config.new", before=None, after=[1]),
        Change(name="config.seed", before=1, after=2),
        Change(name="counts", before=1, after=None),
    ]


rows = st.lists(
    st.fixed_dictionaries(
        {
            "example_id": st.sampled_from("abcdefgh"),
            "feature": st.sampled_from(["chat", "search"]),
            "slice": st.sampled_from(["failure", "control"]),
        }
    ),
    max_size=8,
    unique_by=lambda row: row["example_id"],
)


@given(rows, rows)
def test_it_adds_up_and_reads_the_same_backwards(
    one: list[dict[str, Any]], two: list[dict[str, Any]]
) -> None:
    there, back = diff(drop(*one), drop(*two), A, B), diff(drop(*two), drop(*one), B, A)
    assert there.kept + len(there.added) == len(two)
    assert there.kept + len(there.removed) == len(one)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert [s.column for s in there.shifts] == list(COMPARED)
    for s, t in zip(there.shifts, back.shifts, strict=True):
        assert s.distance == pytest.approx(t.distance)
        assert s.psi == pytest.approx(t.psi)
        assert 0 <= s.distance <= 1
        assert s.psi >= 0
    if one == two:
        assert not there.settings
        assert all(s.distance == 0 for s in there.shifts)
