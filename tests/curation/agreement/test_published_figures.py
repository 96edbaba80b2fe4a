"""Every coefficient gives the figures that were published for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.agreement.alpha import krippendorff_alpha
from curation.agreement.cohen import Weights, cohen_kappa
from curation.agreement.fleiss import (
    fleiss_kappa,
    fleiss_z,
    free_marginal_kappa,
    gwet_ac1,
    percent_agreement,
)
from curation.agreement.ratings import Level, Ratings
from tests.curation.agreement.cases import (
    FLEISS_WIKIPEDIA,
    RANDOLPH,
    artstein_poesio,
    fleiss_1971,
    krippendorff,
    wikipedia,
)

A = [1, 2, 3, 4, 1, 2, 3, 4, 5, 5, 1, 2, 2, 3, 4, 4, 5, 1, 3, 2]
B = [1, 2, 3, 3, 2, 2, 4, 4, 5, 4, 1, 1, 2, 3, 5, 4, 5, 3, 3, 2]


@pytest.mark.parametrize(
    ("ratings", "level", "value"),
    [
        (krippendorff(), "nominal", 0.743421),
        (krippendorff(), "ordinal", 0.815388),
        (krippendorff(), "interval", 0.849107),
        (krippendorff(), "ratio", 0.797403),
        (wikipedia(), "nominal", 0.691358),
        (wikipedia(), "ordinal", 0.806721),
        (wikipedia(), "interval", 0.810845),
        (wikipedia(), "ratio", 0.808944),
        (artstein_poesio(), "nominal", 0.800535),
    ],
)
def test_krippendorffs_alpha(ratings: Ratings, level: str, value: float) -> None:
    found = krippendorff_alpha(ratings.counts, Level(level), values=ratings.numbers)
    assert found.value == pytest.approx(value, abs=5e-7)


def test_items_with_one_rating_do_not_count() -> None:
    easy = Ratings.from_rows(
        [
            ("dress1", "coder1", "YES"),
            ("dress1", "coder2", "NO"),
            ("dress1", "coder3", "NO"),
            ("dress2", "coder1", "YES"),
            ("dress2", "coder2", "NO"),
            ("dress3", "coder3", "NO"),
        ]
    )
    assert krippendorff_alpha(easy.counts).value == pytest.approx(-1 / 3)


def test_fleiss_and_its_relatives() -> None:
    patients = fleiss_1971().counts
    assert fleiss_kappa(patients).value == pytest.approx(0.4302445, abs=5e-8)
    assert fleiss_z(patients) == pytest.approx(17.65183, abs=5e-6)
    assert fleiss_kappa(FLEISS_WIKIPEDIA).value == pytest.approx(0.21, abs=0.005)
    assert percent_agreement(RANDOLPH).value == pytest.approx(0.607143, abs=5e-7)
    assert fleiss_kappa(RANDOLPH).value == pytest.approx(0.161905, abs=5e-7)
    assert free_marginal_kappa(RANDOLPH).value == pytest.approx(0.214286, abs=5e-7)
    two = artstein_poesio().counts
    assert percent_agreement(two).value == pytest.approx(0.88)
    assert fleiss_kappa(two).value == pytest.approx(0.79953, abs=5e-6), "Scott's π"
    assert free_marginal_kappa(two).value == pytest.approx(0.82), "Bennett's S"


def test_gaps_are_handled_as_gwet_does() -> None:
    """Values of irrCAC 0.4 on Krippendorff's example."""
    counts = krippendorff().counts
    assert fleiss_kappa(counts).value == pytest.approx(0.76117, abs=5e-6)
    assert gwet_ac1(counts).value == pytest.approx(0.77544, abs=5e-6)
    assert free_marginal_kappa(counts).value == pytest.approx(0.77273, abs=5e-6)
    assert fleiss_z(counts) is None


@pytest.mark.parametrize(
    ("weights", "value"),
    [("none", 0.5597484276729561), ("linear", 0.7315436241610738), ("quadratic", 0.8565279770444764)],
)
def test_cohens_kappa(weights: str, value: float) -> None:
    """Values of scikit-learn 1.9 and statsmodels 0.15, which agree."""
    found = cohen_kappa(np.array(A) - 1, np.array(B) - 1, positions=np.arange(5.0), weights=Weights(weights))
    assert found.value == pytest.approx(value)


def test_the_shared_reference_cases(shared_data: Path) -> None:
    checked = 0
    for case in json.loads((shared_data / "raters" / "reference_cases.json").read_text()):
        counts, numbers = _read(case)
        for name, value in {**case["published"], **case.get("checked", {})}.items():
            found = _statistic(name, counts, numbers)
            digits = len(str(value).partition(".")[2])
            assert found == pytest.approx(value, abs=0.51 * 10**-digits), (case["name"], name)
            checked += 1
    assert checked >= 21


def test_real_ratings(shared_data: Path) -> None:
    lines = (shared_data / "raters" / "blanc_dailynews_aspects.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    expected = json.loads((shared_data / "raters" / "blanc_dailynews_aspects.expected.json").read_text())
    for aspect, figures in expected["values"].items():
        ratings = Ratings.from_rows(
            [(row["item"], row["rater"], row["score"]) for row in rows if row["aspect"] == aspect]
        )
        assert (len(ratings.item), len(ratings.raters), len(ratings.items)) == (
            figures["n"],
            figures["raters"],
            figures["items"],
        )
        for level in (Level.NOMINAL, Level.ORDINAL, Level.INTERVAL):
            found = krippendorff_alpha(ratings.counts, level, values=ratings.numbers)
            assert found.value == pytest.approx(figures[f"alpha_{level}"], abs=5.1e-7), (aspect, level)


def _read(case: dict[str, Any]) -> tuple[Any, Any]:
    if case["form"] == "items_x_category_counts":
        return np.array(case["counts"]), None
    if case["form"] == "reliability_matrix":
        ratings = Ratings.from_matrix(case["raters"])
    elif case["form"] == "long":
        ratings = Ratings.from_rows([(item, rater, label) for rater, item, label in case["ratings"]])
    else:
        ratings = Ratings.from_rows(
            (n, str(k), label) for n, row in enumerate(case["ratings"]) for k, label in enumerate(row)
        )
    return ratings.counts, ratings.numbers


def _statistic(name: str, counts: Any, numbers: Any) -> float | None:
    if name.startswith("alpha_"):
        return krippendorff_alpha(counts, Level(name.split("_")[1]), values=numbers).value
    if name == "z_R_irr":
        return fleiss_z(counts)
    return {
        "fleiss_kappa": fleiss_kappa,
        "fleiss_kappa_R_irr": fleiss_kappa,
        "scott_pi": fleiss_kappa,
        "randolph_free_marginal_kappa": free_marginal_kappa,
        "bennett_S": free_marginal_kappa,
        "percent_overall_agreement": percent_agreement,
        "observed_agreement": percent_agreement,
    }[name](counts).value
