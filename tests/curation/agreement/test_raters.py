"""Every rater against the rest, and people against the majority of people."""

from __future__ import annotations

import pytest

from contracts.errors import LabelsInvalid
from curation.agreement.bootstrap import Bootstrap
from curation.agreement.ceiling import human_ceiling
from curation.agreement.cohen import mean_kappa, pairwise
from curation.agreement.raters import profiles
from curation.agreement.ratings import Level, Ratings


def test_a_lenient_rater_shows() -> None:
    ratings = Ratings.from_matrix(
        {"strict": [1, 2, 3, 1, 2, 3], "also": [1, 2, 3, 1, 2, 3], "kind": [2, 3, 4, 2, 3, 4]}
    )
    also, kind, strict = profiles(ratings, Level.ORDINAL, Bootstrap(resamples=100))
    assert kind.leniency.value == pytest.approx(1.0)
    assert strict.leniency.value == pytest.approx(-0.5)
    assert kind.agreement_with_rest.value == 0.0
    assert also.agreement_with_rest.value == pytest.approx(0.5)
    assert kind.alpha_without == pytest.approx(1.0)
    assert also.alpha_without is not None
    assert also.alpha_without < 1.0
    assert "time" in (kind.drift_agreement.reason or "")


def test_a_rater_nobody_meets() -> None:
    ratings = Ratings.from_rows([("a", "x", 1), ("a", "y", 1), ("b", "x", 2), ("b", "y", 2), ("c", "z", 2)])
    alone = profiles(ratings, Level.ORDINAL)[2]
    assert (alone.ratings, alone.shared) == (1, 0)
    assert "nobody else" in (alone.agreement_with_rest.reason or "")


def test_drift_is_later_minus_earlier() -> None:
    rows, times = [], []
    for n in range(40):
        truth = 1 + n % 3
        for rater in ("steady", "tiring"):
            rows.append((f"i{n}", rater, truth + (rater == "tiring" and n >= 20)))
            times.append(float(n))
    tiring = profiles(Ratings.from_rows(rows, times=times), Level.ORDINAL, Bootstrap(resamples=200))[1]
    assert tiring.rater == "tiring"
    assert tiring.drift_agreement.value == pytest.approx(-1.0)
    assert tiring.drift_leniency.value == pytest.approx(1.0)


def test_leaving_one_out() -> None:
    """Items xxx and xxy: the x of xxy meets a tie (half right), its y the majority x (wrong)."""
    ratings = Ratings.from_matrix({"a": ["x", "x"], "b": ["x", "x"], "c": ["x", "y"]})
    found = human_ceiling(ratings.counts)
    assert found.accuracy.value == pytest.approx((3 + 0.5 + 0.5) / 6)
    two = Ratings.from_matrix({"a": ["x", "y"], "b": ["x", "x"]})
    assert "three ratings" in (human_ceiling(two.counts).accuracy.reason or "")


def test_pairs_share_only_what_both_rated() -> None:
    ratings = Ratings.from_matrix({"a": [1, 2, None], "b": [1, 1, 2], "c": [None, None, 2]})
    ab, ac, bc = pairwise(ratings, ordered=True)
    assert (ab.items, ac.items, bc.items) == (2, 0, 1)
    assert ab.agreement == 0.5
    assert (ac.agreement, ac.cohen_kappa.value) == (None, None)
    assert "share no item" in (ac.cohen_kappa.reason or "")
    assert mean_kappa(ratings).value == ab.cohen_kappa.value, "pairs without κ do not count"


def test_repeated_ratings_are_refused_by_name() -> None:
    with pytest.raises(LabelsInvalid, match="bob rated i1 more than once"):
        Ratings.from_rows([("i1", "bob", 1), ("i1", "bob", 2)])


def test_labels_outside_a_given_order_are_refused() -> None:
    with pytest.raises(LabelsInvalid, match="awful"):
        Ratings.from_rows([("i1", "bob", "awful")], order=["bad", "good"])


def test_free_text_is_no_category() -> None:
    rows = [(n, "bob", f"text {n}") for n in range(10_001)]
    with pytest.raises(LabelsInvalid, match="no categories"):
        Ratings.from_rows(rows)
