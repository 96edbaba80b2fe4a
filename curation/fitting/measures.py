"""How good a score is on held-out labels: ranking, calibration, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from curation.fitting.design import Bools, Design, Floats

BINS: Final = 10
MIN_PER_BIN: Final = 10
RESAMPLES: Final = 500


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of about equal scores: their number, mean score and share of failures."""

    rows: int
    score: float
    failed: float


@dataclass(frozen=True, slots=True)
class Measures:
    """Measures of one model: auc with its 95 % interval, average_precision, brier, ece over the bins."""

    auc: float
    auc_low: float
    auc_high: float
    average_precision: float
    brier: float
    ece: float
    bins: tuple[Bin, ...]


def measure(chance: Floats, design: Design, weights: Floats, *, seed: int) -> Measures:
    """Measures of predicted probabilities against a design's labels; rows count by `weights`.

    The interval of the AUC comes from resampling users (bootstrap percentiles), because a user's requests
    resemble each other.
    """
    from sklearn.metrics import average_precision_score, brier_score_loss

    bins = reliability(chance, design.failed, weights)
    ranking = Ranking(chance, design.failed)
    low, high = _interval(ranking, design, weights, seed)
    area = ranking.auc(weights)
    assert area is not None, "both classes are held out"
    return Measures(
        auc=area,
        auc_low=low,
        auc_high=high,
        average_precision=float(average_precision_score(design.failed, chance, sample_weight=weights)),
        brier=float(brier_score_loss(design.failed, chance, sample_weight=weights)),
        ece=expected_calibration_error(bins),
        bins=bins,
    )


class Ranking:
    """Area under the ROC curve of fixed scores under any weights of their rows.

    The weighted Mann-Whitney statistic, ties counted half; it equals scikit-learn's `roc_auc_score`, which
    sorts anew for every resample.
    """

    def __init__(self, chance: Floats, failed: Bools) -> None:
        distinct, self._rank = np.unique(chance, return_inverse=True)
        self._size = len(distinct)
        self._failed = failed

    def auc(self, weights: Floats) -> float | None:
        """The area, None when rows of one class have no weight."""
        failed = np.bincount(self._rank, weights * self._failed, minlength=self._size)
        passed = np.bincount(self._rank, weights * ~self._failed, minlength=self._size)
        if not failed.sum() or not passed.sum():
            return None
        below = np.cumsum(passed) - passed / 2
        return float(failed @ below / (failed.sum() * passed.sum()))


def reliability(chance: Floats, failed: Bools, weights: Floats) -> tuple[Bin, ...]:
    """Rows in order of their score, in up to ten bins of equal numbers of rows (at least ten each).

    Equal scores stay in one bin: most requests show the same little evidence, and to part them by chance
    would make up differences. So there may be fewer bins.
    """
    order = np.argsort(chance, kind="stable")
    count = max(1, min(BINS, len(chance) // MIN_PER_BIN))
    edges = np.linspace(0, len(chance), count + 1).round().astype(int)[1:-1]
    # A cut inside a run of equal scores moves to where the run begins.
    cuts = np.unique(np.searchsorted(chance[order], chance[order][edges], side="left"))
    parts = [part for part in np.split(order, cuts) if len(part)]
    return tuple(
        Bin(
            len(part),
            float(np.average(chance[part], weights=weights[part])),
            float(np.average(failed[part], weights=weights[part])),
        )
        for part in parts
    )


def expected_calibration_error(bins: tuple[Bin, ...]) -> float:
    """Mean distance of mean score and share of failures over the bins, weighed by their rows.

    Source: Naeini, Cooper and Hauskrecht (AAAI 2015), with bins of equal mass.
    """
    total = sum(each.rows for each in bins)
    return sum(each.rows * abs(each.score - each.failed) for each in bins) / total


def _interval(ranking: Ranking, design: Design, weights: Floats, seed: int) -> tuple[float, float]:
    dice = np.random.default_rng(seed)
    _, user = np.unique(design.users, return_inverse=True)
    count = int(user.max()) + 1
    found = []
    for _ in range(RESAMPLES):
        drawn = np.bincount(dice.integers(0, count, count), minlength=count)
        if (area := ranking.auc(weights * drawn[user])) is not None:
            found.append(area)
    low, high = np.quantile(found, [0.025, 0.975]) if found else (0.0, 1.0)
    return float(low), float(high)
