"""A statistic with its interval, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One statistic. Never NaN: what is undefined is None, and `reason` says why in words.

    ``low`` and ``high`` bound the confidence interval; None when no interval was asked for or none can be
    given (``reason`` says so then). ``n`` is the number of items it rests on. ``method`` is `percentile`
    (bootstrap by item) or `exact` (binomial bound, where the sample shows no disagreement at all).
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    method: str | None = None
    reason: str | None = None

    @classmethod
    def undefined(cls, reason: str, *, n: int = 0) -> Estimate:
        """A statistic that has no value."""
        return cls(value=None, n=n, reason=reason)
