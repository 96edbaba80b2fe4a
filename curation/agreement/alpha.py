"""Krippendorff's α: agreement of any number of raters, at any level, with gaps.

Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), and Content Analysis (2004),
chapter 11. Two identities keep it vectorised: the ordinal distance of two categories is the difference of
their mid-ranks, so that ordinal α is interval α of mid-ranks; and Σ n_c n_k (x_c − x_k)² is
2(n Σ n_c x_c² − (Σ n_c x_c)²), so that no coincidence matrix is needed for the levels with a line.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from curation.agreement.bootstrap import Bootstrap, Floats, Ints, estimate, patterns
from curation.agreement.estimate import Estimate
from curation.agreement.ratings import Level, no_pairs

ONE_CATEGORY: Final = "every rating that can be compared is the same label: chance agreement is already 1"


def krippendorff_alpha(
    counts: Ints,
    level: Level = Level.NOMINAL,
    *,
    values: Floats | None = None,
    bootstrap: Bootstrap | None = None,
) -> Estimate:
    """α over (items, categories) counts, categories in order.

    Items with fewer than two ratings are left out, as Krippendorff does. ``values`` are the numbers behind
    the categories; the interval and ratio levels need them. Undefined when nothing can be compared, or when
    all that can be compared is one category.
    """
    reason = no_pairs(counts)
    if reason:
        return Estimate.undefined(reason)
    if level in (Level.INTERVAL, Level.RATIO) and values is None:
        return Estimate.undefined(f"the {level} level needs labels that are numbers")
    if level is Level.RATIO and values is not None and values.min() < 0:
        return Estimate.undefined("the ratio level needs labels that are not below zero")
    rows, times = patterns(counts[counts.sum(axis=1) >= 2])
    metric = _Metric(rows.astype(np.float64), level, values)
    whole = times[None, :].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        worst = float(metric.greatest(whole)[0] / metric.expected(whole)[0])
    return estimate(metric.alpha, times, bootstrap, undefined=ONE_CATEGORY, worst=worst)


class _Metric:
    """Observed and expected disagreement for (resamples, patterns) multiplicities."""

    def __init__(self, rows: Floats, level: Level, values: Floats | None) -> None:
        self.rows = rows
        self.level = level
        self.sizes = rows.sum(axis=1)
        if level is Level.RATIO and values is not None:
            sums = values[:, None] + values[None, :]
            with np.errstate(invalid="ignore", divide="ignore"):
                apart = ((values[:, None] - values[None, :]) / sums) ** 2
            self.apart = np.where(sums > 0, apart, 0.0)
        elif level is Level.INTERVAL and values is not None:
            # Centred, so that large values do not cancel.
            self.line = values - (rows.sum(axis=0) @ values) / rows.sum()

    def alpha(self, times: Floats) -> Floats:
        marginals = times @ self.rows
        with np.errstate(invalid="ignore", divide="ignore"):
            result: Floats = 1.0 - self.observed(times) / self.expected(times)
        result[(marginals > 0).sum(axis=1) < 2] = np.nan
        return result

    def observed(self, times: Floats) -> Floats:
        """Mean disagreement of two ratings of one item."""
        per_pattern = self._within(times) / (self.sizes - 1.0)
        result: Floats = (times * per_pattern).sum(axis=1) / (times @ self.sizes)
        return result

    def expected(self, times: Floats) -> Floats:
        """Mean disagreement of two ratings drawn from all that can be compared."""
        marginals = times @ self.rows
        n = marginals.sum(axis=1)
        if self.level is Level.NOMINAL:
            apart = n**2 - (marginals**2).sum(axis=1)
        elif self.level is Level.RATIO:
            apart = ((marginals @ self.apart) * marginals).sum(axis=1)
        else:
            line = self._line(marginals)
            apart = 2.0 * (n * (marginals * line**2).sum(axis=1) - (marginals * line).sum(axis=1) ** 2)
        result: Floats = apart / (n * (n - 1.0))
        return result

    def greatest(self, times: Floats) -> Floats:
        """The greatest disagreement two ratings could have."""
        marginals = times @ self.rows
        if self.level is Level.NOMINAL:
            return np.ones(len(times))
        if self.level is Level.RATIO:
            return np.full(len(times), self.apart.max())
        line = self._line(marginals)
        result: Floats = (line.max(axis=1) - line.min(axis=1)) ** 2
        return result

    def _within(self, times: Floats) -> Floats:
        """Σ n_c n_k δ² of every pattern: (1 or resamples, patterns)."""
        rows = self.rows
        if self.level is Level.NOMINAL:
            apart = self.sizes**2 - (rows**2).sum(axis=1)
            return np.atleast_2d(apart)
        if self.level is Level.RATIO:
            return np.atleast_2d(((rows @ self.apart) * rows).sum(axis=1))
        line = self._line(times @ rows)
        result: Floats = 2.0 * (self.sizes * (line**2 @ rows.T) - (line @ rows.T) ** 2)
        return result

    def _line(self, marginals: Floats) -> Floats:
        """Positions of the categories: values, or mid-ranks of what was drawn, centred."""
        if self.level is Level.INTERVAL:
            return np.broadcast_to(self.line, marginals.shape)
        below = np.cumsum(marginals, axis=1) - marginals / 2.0
        ranks: Floats = below - marginals.sum(axis=1, keepdims=True) / 2.0
        return ranks
