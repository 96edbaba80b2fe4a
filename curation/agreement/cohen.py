"""Cohen's κ of two raters, plain or weighted, and of every pair of many.

Sources: J. Cohen, A coefficient of agreement for nominal scales (1960) and Weighted kappa (1968);
R. J. Light, Measures of response agreement (1971), for the mean over pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Final

import numpy as np

from curation.agreement.bootstrap import Bootstrap, Floats, Ints, estimate
from curation.agreement.estimate import Estimate
from curation.agreement.ratings import Ratings

ONE_CATEGORY: Final = (
    "both raters gave every shared item the same single label: chance agreement is already 1"
)
NO_OVERLAP: Final = "the two share no item"

_MOST_WORK: Final = 20_000_000_000
"""Multiplications beyond which the mean over pairs gets no interval."""


class Weights(StrEnum):
    """How much a disagreement counts."""

    NONE = "none"
    """all the same"""
    LINEAR = "linear"
    """by distance"""
    QUADRATIC = "quadratic"
    """by squared distance"""


@dataclass(frozen=True)
class Pair:
    """Two raters and what they share."""

    a: str
    b: str
    items: int
    agreement: float | None
    """share of shared items with the same label"""
    cohen_kappa: Estimate
    weighted_kappa: Estimate | None
    """quadratic weights; None when the labels have no order"""


def cohen_kappa(
    a: Ints,
    b: Ints,
    *,
    positions: Floats,
    weights: Weights = Weights.NONE,
    bootstrap: Bootstrap | None = None,
) -> Estimate:
    """κ of two raters over the codes they gave the same items (equally long, no gaps).

    ``positions`` says where each code lies on a line, for weights. Undefined when there is no item, or when
    both gave one and the same label throughout.
    """
    if not len(a):
        return Estimate.undefined(NO_OVERLAP)
    kinds, coded = np.unique(np.concatenate([a, b]), return_inverse=True)
    size = len(kinds)
    cells, times = np.unique(coded[: len(a)] * size + coded[len(a) :], return_counts=True)
    row, column = np.divmod(cells, size)
    apart = disagreement(positions[kinds], weights)
    one_a, one_b, cost = np.eye(size)[row], np.eye(size)[column], apart[row, column]

    def kappa(drawn: Floats) -> Floats:
        return _kappa(drawn @ cost, drawn @ one_a, drawn @ one_b, apart)

    whole = times[None, :].astype(np.float64)
    expected = float(_expected(whole @ one_a, whole @ one_b, apart)[0]) / len(a)
    worst = float(apart.max()) / expected if expected > 0 else None
    return estimate(kappa, times.astype(np.int64), bootstrap, undefined=ONE_CATEGORY, worst=worst)


def disagreement(positions: Floats, weights: Weights) -> Floats:
    """(categories, categories) cost of each disagreement; 0 on the diagonal."""
    distance = np.abs(positions[:, None] - positions[None, :])
    if weights is Weights.NONE:
        return (distance > 0).astype(np.float64)
    return distance if weights is Weights.LINEAR else distance**2


def shared(ratings: Ratings) -> Iterator[tuple[int, int, Ints, Ints, Ints]]:
    """Every pair of raters: (a, b, items both rated, codes of a, codes of b)."""
    by_rater: list[tuple[Ints, Ints]] = []
    for n in range(len(ratings.raters)):
        mine = np.flatnonzero(ratings.rater == n)
        mine = mine[np.argsort(ratings.item[mine])]
        by_rater.append((ratings.item[mine], ratings.code[mine]))
    for a, b in combinations(range(len(by_rater)), 2):
        items, at_a, at_b = np.intersect1d(
            by_rater[a][0], by_rater[b][0], assume_unique=True, return_indices=True
        )
        yield a, b, items, by_rater[a][1][at_a], by_rater[b][1][at_b]


def pairwise(ratings: Ratings, *, ordered: bool, bootstrap: Bootstrap | None = None) -> list[Pair]:
    """κ of every pair of raters; with quadratic weights too when the labels are ordered."""
    found = []
    for a, b, items, left, right in shared(ratings):

        def kappa(weights: Weights, left: Ints = left, right: Ints = right) -> Estimate:
            return cohen_kappa(left, right, positions=ratings.positions, weights=weights, bootstrap=bootstrap)

        found.append(
            Pair(
                a=ratings.raters[a],
                b=ratings.raters[b],
                items=len(items),
                agreement=float((left == right).mean()) if len(items) else None,
                cohen_kappa=kappa(Weights.NONE),
                weighted_kappa=kappa(Weights.QUADRATIC) if ordered else None,
            )
        )
    return found


def mean_kappa(
    ratings: Ratings, *, weights: Weights = Weights.NONE, bootstrap: Bootstrap | None = None
) -> Estimate:
    """Light's κ: the mean of Cohen's κ over all pairs of raters that have one.

    With two raters it is Cohen's κ. The interval draws items, the same ones for every pair.
    """
    pairs = [(i, a, b) for _, _, i, a, b in shared(ratings) if len(i)]
    if not pairs:
        return Estimate.undefined(
            "only one rater" if len(ratings.raters) == 1 else "no two raters share an item"
        )
    if len(pairs) == 1:
        _, a, b = pairs[0]
        return cohen_kappa(a, b, positions=ratings.positions, weights=weights, bootstrap=bootstrap)
    size = len(ratings.categories)
    apart = disagreement(ratings.positions, weights)
    rated, places = np.unique(np.concatenate([i for i, _, _ in pairs]), return_inverse=True)
    ends = np.cumsum([len(i) for i, _, _ in pairs])
    starts = [0, *ends[:-1]]
    unit = np.eye(size)
    designs: list[tuple[Ints, Floats]] = []
    for start, end, (_, a, b) in zip(starts, ends, pairs, strict=True):
        # Cost, label of a, label of b per shared item: one product gives all sums of a pair.
        design = np.column_stack([apart[a, b], unit[a], unit[b]])
        place = places[start:end]
        if 2 * len(place) > len(rated):
            # Gathering columns costs more than multiplying a few rows of zeros.
            whole = np.zeros((len(rated), design.shape[1]))
            whole[place] = design
            place, design = np.zeros(0, dtype=np.int64), whole
        designs.append((place, design))

    def kappa(drawn: Floats) -> Floats:
        found = []
        for place, design in designs:
            sums = (drawn[:, place] if len(place) else drawn) @ design
            found.append(_kappa(sums[:, 0], sums[:, 1 : size + 1], sums[:, size + 1 :], apart))
        each = np.array(found)
        known = np.isfinite(each)
        with np.errstate(invalid="ignore"):
            result: Floats = np.where(known, each, 0.0).sum(axis=0) / known.sum(axis=0)
        return result

    times = np.ones(len(rated), dtype=np.int64)
    work = (bootstrap.resamples if bootstrap else 0) * int(ends[-1]) * (2 * size + 1)
    if work > _MOST_WORK:
        point = estimate(kappa, times, None, undefined=ONE_CATEGORY)
        return Estimate(value=point.value, n=point.n, reason="no interval: too many pairs and items for one")
    return estimate(kappa, times, bootstrap, undefined=ONE_CATEGORY)


def _expected(a: Floats, b: Floats, apart: Floats) -> Floats:
    result: Floats = ((a @ apart) * b).sum(axis=1) / np.maximum(a.sum(axis=1), 1.0)
    return result


def _kappa(cost: Floats, a: Floats, b: Floats, apart: Floats) -> Floats:
    """1 − observed/expected cost, from (resamples,) costs and (resamples, categories) marginals."""
    expected = _expected(a, b, apart)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1.0 - cost / expected, np.nan)
