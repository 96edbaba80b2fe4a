"""Bootstrap intervals: items are drawn again with replacement, vectorised over resamples.

Items that look the same (the same ratings) are one pattern with a multiplicity, so a resample is one draw
of a multinomial over patterns and its cost does not depend on the number of items.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 (percentile interval);
Clopper and Pearson (1934) for samples without any variation, where every resample is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.agreement.estimate import Estimate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Statistic = Callable[[Floats], Floats]
"""(resamples, patterns) multiplicities → (resamples,) values, NaN where undefined."""

_CELLS_AT_ONCE: Final = 4_000_000
_MOST_UNDEFINED: Final = 0.5


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made. The same seed gives the same interval."""

    resamples: int = 1_000
    seed: int = 0
    confidence: float = 0.95

    @property
    def tail(self) -> float:
        """Probability outside the interval on each side."""
        return (1.0 - self.confidence) / 2.0


def patterns(rows: Ints) -> tuple[Ints, Ints]:
    """Distinct rows and how often each occurs."""
    if not len(rows):
        return rows, np.zeros(0, dtype=np.int64)
    distinct, times = np.unique(rows, axis=0, return_counts=True)
    return distinct, times.astype(np.int64)


def resampled(times: Ints, bootstrap: Bootstrap) -> Iterator[Floats]:
    """Multiplicities of every pattern in each resample, in chunks of (resamples, patterns)."""
    rng = np.random.default_rng(bootstrap.seed)
    n, kinds = int(times.sum()), len(times)
    step = max(1, _CELLS_AT_ONCE // max(kinds, 1))
    many_alike = kinds * 8 <= n
    owner = None if many_alike else np.repeat(np.arange(kinds), times)
    for start in range(0, bootstrap.resamples, step):
        size = min(step, bootstrap.resamples - start)
        if owner is None:
            yield rng.multinomial(n, times / n, size=size).astype(np.float64)
        else:
            drawn = owner[rng.integers(n, size=(size, n))] + np.arange(size)[:, None] * kinds
            counted = np.bincount(drawn.ravel(), minlength=size * kinds)
            yield counted.reshape(size, kinds).astype(np.float64)


def estimate(
    statistic: Statistic,
    times: Ints,
    bootstrap: Bootstrap | None,
    *,
    undefined: str,
    worst: float | None = None,
) -> Estimate:
    """The statistic of the sample, with its percentile interval.

    ``undefined`` is the reason given when the sample has no value. ``worst`` is for coefficients of the form
    1 − observed/expected disagreement: what one item of the greatest disagreement would weigh
    (greatest/expected). With it, a sample without any disagreement gets the exact binomial bound instead
    of the interval [1, 1] that resampling would give however few the items.
    """
    n = int(times.sum())
    value = float(statistic(times[None, :].astype(np.float64))[0]) if n else float("nan")
    if not np.isfinite(value):
        return Estimate.undefined(undefined, n=n)
    if bootstrap is None or bootstrap.resamples <= 0:
        return Estimate(value=value, n=n)
    if n < 2:
        return Estimate(value=value, n=n, reason="one item is not enough for an interval")
    if worst is not None and value > 1.0 - 1e-12:
        missed = 1.0 - bootstrap.tail ** (1.0 / n)
        return Estimate(value=1.0, low=max(-1.0, 1.0 - missed * worst), high=1.0, n=n, method="exact")
    draws = np.concatenate([statistic(weights) for weights in resampled(times, bootstrap)])
    return _percentile(value, n, draws, bootstrap)


def _percentile(value: float, n: int, draws: Floats, bootstrap: Bootstrap) -> Estimate:
    known = draws[np.isfinite(draws)]
    lost = len(draws) - len(known)
    if lost > _MOST_UNDEFINED * len(draws):
        return Estimate(value=value, n=n, reason="no interval: most resamples have only one category")
    low, high = (float(q) for q in np.quantile(known, [bootstrap.tail, 1.0 - bootstrap.tail]))
    if high - low < 1e-12:
        return Estimate(value=value, n=n, reason="no interval: every resample gives the same value")
    reason = f"{lost} of {len(draws)} resamples had only one category and were left out" if lost else None
    return Estimate(value=value, low=low, high=high, n=n, method="percentile", reason=reason)


def ratio(
    parts: Floats, wholes: Floats, bootstrap: Bootstrap | None, *, undefined: str = "nothing was counted"
) -> Estimate:
    """Σ parts / Σ wholes over clusters (items, questions), each cluster drawn as a whole.

    ``n`` is the number of clusters that count. Where every cluster is all or nothing the same way, the
    exact binomial bound is given over clusters.
    """
    used = wholes > 0
    parts, wholes = parts[used].astype(np.float64), wholes[used].astype(np.float64)
    n = len(parts)

    def of(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            result: Floats = (weights @ parts) / (weights @ wholes)
        return result

    found = estimate(of, np.ones(n, dtype=np.int64), bootstrap, undefined=undefined)
    if found.value is None or bootstrap is None or bootstrap.resamples <= 0 or n < 2:
        return found
    sure = bootstrap.tail ** (1.0 / n)
    if np.array_equal(parts, wholes):
        return Estimate(value=1.0, low=sure, high=1.0, n=n, method="exact")
    if not parts.any():
        return Estimate(value=0.0, low=0.0, high=1.0 - sure, n=n, method="exact")
    return found
