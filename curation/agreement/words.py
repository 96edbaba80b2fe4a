"""One careful line about a coefficient, for people who do not read α every day."""

from __future__ import annotations

from typing import Final

from curation.agreement.ceiling import Baseline
from curation.agreement.estimate import Estimate

RELIABLE: Final = 0.8
"""Krippendorff (2004): rely on data from here on …"""

TENTATIVE: Final = 0.667
"""… and draw only tentative conclusions from here on."""

PREVALENT: Final = 0.8
"""Share of one label from which chance agreement is so high that few disagreements pull κ and α down."""


def interpretation(alpha: Estimate, agreed: Estimate, baseline: Baseline, ac1: Estimate) -> str:
    """What α and its interval allow to be said; a warning where one label prevails."""
    if alpha.value is None:
        return f"No α: {alpha.reason}."
    line = f"α {alpha.value:.3f}{_interval(alpha)}: {_verdict(alpha)}."
    if (
        baseline.share is not None
        and baseline.share >= PREVALENT
        and agreed.value is not None
        and alpha.value < RELIABLE
    ):
        line += (
            f" {baseline.share:.0%} of the labels are the same one; then κ and α are low even where raters "
            f"mostly agree ({agreed.value:.0%} of pairs do"
            + (f"; AC1 {ac1.value:.3f})." if ac1.value is not None else ").")
        )
    return line


def _interval(alpha: Estimate) -> str:
    if alpha.low is None or alpha.high is None:
        return ""
    return f" ({alpha.low:.3f} to {alpha.high:.3f})"


def _verdict(alpha: Estimate) -> str:
    value = alpha.value or 0.0
    low, high = alpha.low, alpha.high
    if low is None or high is None:
        return f"{_band(value)}, with no interval to say how sure that is"
    if high < 0:
        return "raters disagree more than by chance: look for a reversed scale or differing instructions"
    if low <= 0:
        return f"not to be told from chance with {alpha.n:,} items"
    if low >= RELIABLE:
        return "reliable, by Krippendorff's customary bound of 0.8"
    if high >= RELIABLE > value or low < TENTATIVE <= value:
        return f"{_band(value)}, but the interval crosses the customary bounds: more items would tell"
    return _band(value)


def _band(value: float) -> str:
    if value >= RELIABLE:
        return "reliable, by Krippendorff's customary bound of 0.8"
    if value >= TENTATIVE:
        return "good enough for tentative conclusions only (0.667 to 0.8)"
    if value > 0:
        return "better than chance, but below the 0.667 that conclusions should rest on"
    return "no better than chance"
