"""One source of labels against a reference: confusion, accuracy, κ and the baseline to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curation.agreement.alpha import krippendorff_alpha
from curation.agreement.bootstrap import Bootstrap, Ints, ratio
from curation.agreement.ceiling import Baseline, majority_baseline
from curation.agreement.cohen import Weights, cohen_kappa
from curation.agreement.estimate import Estimate
from curation.agreement.ratings import Label, Ratings


@dataclass(frozen=True)
class PerLabel:
    """How one label fares; None where nothing was so labelled."""

    label: Label
    support: int
    """items with this label in the reference"""
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Comparison:
    """Labels of an instrument against reference labels of the same items."""

    labels: tuple[Label, ...]
    matrix: list[list[int]]
    """rows: reference; columns: instrument; both in the order of ``labels``"""
    items: int
    accuracy: Estimate
    cohen_kappa: Estimate
    krippendorff_alpha: Estimate
    baseline: Baseline
    """always answering the reference's most frequent label"""
    lift: float | None
    """accuracy minus the baseline's"""
    per_label: list[PerLabel]


def compare(
    reference: Sequence[Label],
    given: Sequence[Label],
    *,
    order: Sequence[Label] | None = None,
    weights: Weights = Weights.NONE,
    bootstrap: Bootstrap | None = None,
) -> Comparison:
    """Compare two equally long lists of labels, one entry per item, no gaps.

    ``order`` names all categories in order (needed for weights when labels are not numbers). α is nominal:
    for other levels hand the ratings to `alpha.krippendorff_alpha`. Raises `ValueError` when the lists do not
    match or a label is None.
    """
    if len(reference) != len(given):
        raise ValueError(f"{len(reference)} reference labels, but {len(given)} to compare with them")
    if None in reference or None in given:
        raise ValueError("a label is missing: leave the item out of both lists")
    rows = [(n, "reference", label) for n, label in enumerate(reference)]
    rows += [(n, "given", label) for n, label in enumerate(given)]
    ratings = Ratings.from_rows(rows, order=order)
    truth, answer = ratings.code[: len(reference)], ratings.code[len(reference) :]
    matrix = _matrix(truth, answer, len(ratings.categories))
    baseline = majority_baseline(np.diag(matrix.sum(axis=1)), ratings.categories)
    accuracy = ratio((truth == answer).astype(np.float64), np.ones(len(truth)), bootstrap)
    return Comparison(
        labels=ratings.categories,
        matrix=[[int(n) for n in row] for row in matrix],
        items=len(reference),
        accuracy=accuracy,
        cohen_kappa=cohen_kappa(
            truth, answer, positions=ratings.positions, weights=weights, bootstrap=bootstrap
        ),
        krippendorff_alpha=krippendorff_alpha(ratings.counts, bootstrap=bootstrap),
        baseline=baseline,
        lift=None if accuracy.value is None or baseline.share is None else accuracy.value - baseline.share,
        per_label=[_per_label(ratings.categories[n], matrix, n) for n in range(len(matrix))],
    )


def _matrix(truth: Ints, answer: Ints, size: int) -> Ints:
    counted = np.bincount(truth * size + answer, minlength=size * size)
    return counted.reshape(size, size).astype(np.int64)


def _per_label(label: Label, matrix: Ints, n: int) -> PerLabel:
    hits, support, claimed = int(matrix[n, n]), int(matrix[n].sum()), int(matrix[:, n].sum())
    return PerLabel(
        label=label,
        support=support,
        precision=hits / claimed if claimed else None,
        recall=hits / support if support else None,
        f1=2 * hits / (support + claimed) if support + claimed else None,
    )
