"""Calibration in bins of equal mass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from curation.fitting.design import folds
from curation.fitting.measures import Ranking, expected_calibration_error, reliability


def test_bins_hold_equal_numbers_of_rows() -> None:
    chance = np.linspace(0, 1, 200)
    bins = reliability(chance, chance > 0.5, np.ones(200))
    assert [b.rows for b in bins] == [20] * 10
    assert [b.failed for b in bins] == [0.0] * 5 + [1.0] * 5


def test_equal_scores_share_a_bin() -> None:
    chance = np.repeat([0.15, 0.8], [900, 100])
    bins = reliability(chance, chance > 0.5, np.ones(1000))
    assert [(b.rows, round(b.score, 9)) for b in bins] == [(900, 0.15), (100, 0.8)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.2, 0.7]) | st.floats(0, 1), st.booleans(), st.integers(0, 3)),
        min_size=2,
        max_size=60,
    )
)
def test_the_area_is_that_of_scikit_learn(rows: list[tuple[float, bool, int]]) -> None:
    chance, failed, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = Ranking(chance, failed).auc(weights.astype(float))
    if len(set(failed[weights > 0].tolist())) < 2:
        assert found is None
    else:
        assert found == pytest.approx(roc_auc_score(failed, chance, sample_weight=weights))


def test_few_rows_make_few_bins() -> None:
    assert len(reliability(np.array([0.1, 0.9]), np.array([False, True]), np.ones(2))) == 1


@pytest.mark.parametrize(("share", "expected"), [(0.2, 0.0), (0.5, 0.3)])
def test_the_error_is_the_distance_of_score_and_share(share: float, expected: float) -> None:
    chance = np.full(100, 0.2)
    failed = np.arange(100) < share * 100
    assert expected_calibration_error(reliability(chance, failed, np.ones(100))) == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200))
def test_bins_hold_every_row_once_in_order(rows: list[tuple[float, bool]]) -> None:
    chance, failed = np.array([c for c, _ in rows]), np.array([f for _, f in rows])
    bins = reliability(chance, failed, np.ones(len(rows)))
    assert sum(b.rows for b in bins) == len(rows)
    assert sum(b.rows * b.failed for b in bins) == pytest.approx(failed.sum())
    scores = [b.score for b in bins]
    assert scores == sorted(scores)
    assert 0 <= expected_calibration_error(bins) <= 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_a_user_is_in_one_fold(users: list[int]) -> None:
    found = folds(np.array(users), 3)
    assert len(set(zip(users, found.tolist(), strict=True))) == len(set(users))
    assert set(found.tolist()) <= {0, 1, 2}
