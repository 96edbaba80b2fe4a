"""Agreement of many raters where only the counts per item matter: Fleiss' κ and its relatives.

Sources: J. L. Fleiss, Measuring nominal scale agreement among many raters (1971); J. J. Randolph,
Free-marginal multirater kappa (2005), with two raters the S of Bennett et al. (1954); K. L. Gwet, Handbook
of Inter-Rater Reliability (2014), chapters 2 and 5, for AC1 and for unequal numbers of ratings.

Fleiss' κ asks for the same number of ratings on every item. Where there are gaps, Gwet's generalisation
is used, which equals Fleiss' when there are none: agreement is averaged over the items with two or more
ratings, and the share of a category over all rated items, each item counting once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from curation.agreement.bootstrap import Bootstrap, Floats, Ints, estimate, patterns, ratio
from curation.agreement.estimate import Estimate
from curation.agreement.ratings import no_pairs

_ByChance = Callable[[Floats], Floats]

ONE_CATEGORY: Final = "every rating is the same label: chance agreement is already 1"


def equal_ratings(counts: Ints) -> int | None:
    """How many ratings every item has; None when it differs between items."""
    sizes = np.unique(counts.sum(axis=1))
    return int(sizes[0]) if len(sizes) == 1 else None


def percent_agreement(counts: Ints, bootstrap: Bootstrap | None = None) -> Estimate:
    """Share of pairs of raters who agree, averaged over the items with two or more ratings."""
    reason = no_pairs(counts)
    if reason:
        return Estimate.undefined(reason)
    agreed, paired = _pairs(counts)
    return ratio(agreed, paired.astype(np.float64), bootstrap)


def fleiss_kappa(counts: Ints, bootstrap: Bootstrap | None = None) -> Estimate:
    """κ with chance agreement Σ p²; with two raters this is Scott's π."""
    return _kappa(counts, lambda shares: (shares**2).sum(axis=1), bootstrap)


def free_marginal_kappa(counts: Ints, bootstrap: Bootstrap | None = None) -> Estimate:
    """Randolph's κ: chance agreement 1/K over the K categories (columns) there are."""
    return _kappa(counts, lambda shares: np.full(len(shares), 1.0 / shares.shape[1]), bootstrap)


def gwet_ac1(counts: Ints, bootstrap: Bootstrap | None = None) -> Estimate:
    """Gwet's AC1: chance agreement Σ p(1 − p)/(K − 1), which stays low when one category prevails."""
    kinds = counts.shape[1]
    return _kappa(counts, lambda shares: (shares * (1.0 - shares)).sum(axis=1) / (kinds - 1.0), bootstrap)


def fleiss_z(counts: Ints) -> float | None:
    """Fleiss' κ over its standard error under chance (Fleiss, Nee and Landis 1979).

    None when the number of ratings differs between items, or κ is undefined.
    """
    raters = equal_ratings(counts)
    kappa = fleiss_kappa(counts).value
    if raters is None or kappa is None:
        return None
    shares = counts.sum(axis=0) / counts.sum()
    spread = float((shares * (1.0 - shares)).sum())
    skew = float((shares * (1.0 - shares) * (1.0 - 2.0 * shares)).sum())
    error = math.sqrt(2.0 / (len(counts) * raters * (raters - 1.0))) * math.sqrt(spread**2 - skew) / spread
    return kappa / error if error else None


def _pairs(counts: Ints) -> tuple[Floats, Ints]:
    """Share of agreeing pairs per item (0 where there is no pair), and whether there is a pair."""
    sizes = counts.sum(axis=1)
    possible = sizes * (sizes - 1)
    agreed = (counts * (counts - 1)).sum(axis=1) / np.maximum(possible, 1)
    return agreed, (possible > 0).astype(np.int64)


def _kappa(counts: Ints, by_chance: _ByChance, bootstrap: Bootstrap | None) -> Estimate:
    reason = no_pairs(counts)
    if reason:
        return Estimate.undefined(reason)
    if (counts.sum(axis=0) > 0).sum() < 2:
        return Estimate.undefined(ONE_CATEGORY)
    rows, times = patterns(counts[counts.sum(axis=1) >= 1])
    agreed, paired = _pairs(rows)
    shares = rows / rows.sum(axis=1, keepdims=True)

    def chance(weights: Floats) -> Floats:
        mean: Floats = (weights @ shares) / weights.sum(axis=1, keepdims=True)
        expected = by_chance(mean)
        expected[(mean > 0).sum(axis=1) < 2] = 1.0
        return expected

    def kappa(weights: Floats) -> Floats:
        expected = chance(weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            observed = (weights @ agreed) / (weights @ paired)
            result: Floats = (observed - expected) / (1.0 - expected)
        return np.where(expected < 1.0, result, np.nan)

    room = 1.0 - float(chance(times[None, :].astype(np.float64))[0])
    return estimate(kappa, times, bootstrap, undefined=ONE_CATEGORY, worst=1.0 / room if room > 0 else None)
