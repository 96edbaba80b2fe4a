"""What has no value has a reason in words: never NaN, never 1.0 by accident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from curation.agreement.alpha import krippendorff_alpha
from curation.agreement.bootstrap import Bootstrap
from curation.agreement.confusion import compare
from curation.agreement.estimate import Estimate
from curation.agreement.ratings import Level, Ratings
from curation.agreement.report import AgreementReport, summarise
from tests.curation.agreement.cases import krippendorff

COEFFICIENTS = ("krippendorff_alpha", "cohen_kappa", "fleiss_kappa", "gwet_ac1", "free_marginal_kappa")


def report(rows: Mapping[str, Sequence[Any]], level: Level = Level.NOMINAL) -> AgreementReport:
    return summarise(Ratings.from_matrix(rows), level, Bootstrap(resamples=200))


def estimates(value: Any) -> list[dict[str, Any]]:
    """Every estimate anywhere in a report."""
    if isinstance(value, dict):
        found = [value] if {"value", "low", "reason"} <= value.keys() else []
        return found + [e for inner in value.values() for e in estimates(inner)]
    return [e for inner in value for e in estimates(inner)] if isinstance(value, list) else []


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ({"a": ["x", "x", "x"], "b": ["x", "x", "x"]}, "same"),
        ({"a": ["x", "y", "x"]}, "no item has two ratings"),
        ({"a": ["x", "y", None], "b": [None, None, "x"]}, "no item has two ratings"),
        ({"a": [None], "b": [None]}, "no ratings"),
    ],
)
@pytest.mark.parametrize("level", list(Level))
def test_undefined_cases_have_a_reason(rows: Mapping[str, Sequence[Any]], word: str, level: Level) -> None:
    found = report(rows, level)
    for name in COEFFICIENTS:
        estimate: Estimate = getattr(found, name)
        assert estimate.value is None, name
        assert estimate.reason
    if level in (Level.NOMINAL, Level.ORDINAL):
        assert word in (found.krippendorff_alpha.reason or "")
    assert found.interpretation.startswith("No α")
    for each in estimates(msgspec.to_builtins(found)):
        assert each["value"] is None or each["value"] == each["value"]
        assert each["value"] is not None or each["reason"]


def test_one_category_among_what_can_be_compared() -> None:
    """The lone y cannot be compared with anything, so that there is no chance disagreement."""
    found = report({"a": ["x", "x", "y"], "b": ["x", "x", None]})
    assert found.krippendorff_alpha.value is None
    assert found.cohen_kappa.value is None


def test_perfect_agreement_of_few_is_no_certainty() -> None:
    few = report({"a": ["x", "y", "x", "y"], "b": ["x", "y", "x", "y"]})
    many = report({"a": ["x", "y"] * 200, "b": ["x", "y"] * 200})
    for name in COEFFICIENTS:
        little, much = getattr(few, name), getattr(many, name)
        assert little.value == much.value == 1.0
        assert little.method == much.method == "exact"
        assert little.low < 0.2, name
        assert 0.95 < much.low < 1.0, name
        assert much.high == 1.0
    assert few.percent_agreement.low == pytest.approx(0.025 ** (1 / 4)), "Clopper and Pearson, 4 of 4"


def test_one_constant_rater_is_zero_not_undefined() -> None:
    found = report({"a": ["x"] * 6, "b": ["x", "x", "x", "x", "y", "y"]})
    assert found.cohen_kappa.value == 0.0
    assert found.cohen_kappa.low is None
    assert "same value" in (found.cohen_kappa.reason or "")


def test_levels_that_the_labels_do_not_have() -> None:
    words = Ratings.from_matrix({"a": ["x", "y", "x"], "b": ["x", "y", "y"]})
    interval = krippendorff_alpha(words.counts, Level.INTERVAL, values=words.numbers)
    assert "numbers" in (interval.reason or "")
    below = Ratings.from_matrix({"a": [-1, 2, 3], "b": [-1, 2, 2]})
    ratio = krippendorff_alpha(below.counts, Level.RATIO, values=below.numbers)
    assert "below zero" in (ratio.reason or "")
    assert "no order" in (summarise(words, Level.NOMINAL).alpha_ordinal.reason or "")


def test_without_a_bootstrap_there_is_no_interval() -> None:
    found = krippendorff_alpha(krippendorff().counts, bootstrap=Bootstrap(resamples=0))
    assert (found.low, found.high, found.reason) == (None, None, None)


def test_a_frequent_label_is_warned_about() -> None:
    found = report({"a": ["no"] * 95 + ["yes"] * 5, "b": ["no"] * 92 + ["yes"] * 6 + ["no"] * 2})
    assert found.majority_baseline.label == "no"
    assert found.majority_baseline.share == pytest.approx(189 / 200)
    assert "95% of the labels" in found.interpretation or "94% of the labels" in found.interpretation
    assert "AC1" in found.interpretation


def test_a_comparison_with_a_reference() -> None:
    reference = ["fail"] * 6 + ["pass"] * 4
    given = ["fail"] * 5 + ["pass"] + ["pass"] * 3 + ["unsure"]
    found = compare(reference, given, bootstrap=Bootstrap(resamples=200))
    assert found.labels == ("fail", "pass", "unsure")
    assert found.matrix == [[5, 1, 0], [0, 3, 1], [0, 0, 0]]
    assert found.accuracy.value == pytest.approx(0.8)
    assert (found.baseline.label, found.baseline.share) == ("fail", pytest.approx(0.6))
    assert found.lift == pytest.approx(0.2)
    fail = found.per_label[0]
    assert (fail.support, fail.precision, fail.recall) == (6, 1.0, pytest.approx(5 / 6))
    unsure = found.per_label[2]
    assert (unsure.support, unsure.precision, unsure.recall, unsure.f1) == (0, 0.0, None, 0.0)
    assert found.cohen_kappa.low is not None
    with pytest.raises(ValueError, match="10 reference labels, but 9"):
        compare(reference, given[1:])
    with pytest.raises(ValueError, match="missing"):
        compare(reference, [None, *given[1:]])  # type: ignore[list-item]
    assert compare([], []).accuracy.value is None
