"""Whether a judge still says what it said: anchors judged now, against the same epoch's first answers. Pure.

Asked twice right after each other, a judge may differ from itself; that is its noise. If the model behind it
has not changed, its answers now are drawn like its second answers were. So of the anchors on which only one
of the two, second or now, differs from the first, it is as likely to be the one as the other, and how often
it is now is binomial with one half: the exact form of McNemar's test (Q. McNemar, 1947), one-sided.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from curation.agreement.bootstrap import Bootstrap, ratio
from curation.agreement.estimate import Estimate

ALPHA: Final = 0.01
"""Chance of a false alarm a run accepts. Small, because drift is looked for again and again."""

State = Literal["steady", "drifted", "baseline", "cannot_tell"]
_RESAMPLING: Final = Bootstrap(resamples=2_000, seed=0)


@dataclass(frozen=True, kw_only=True)
class AnchorAnswers:
    """Verdicts of one epoch on one anchor: asked first, again right after, and now. None: no verdict now."""

    anchor_id: str
    first: str
    second: str
    now: str | None = None
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What a run found. ``baseline``: it was the epoch's first, there is nothing to compare with yet.

    ``not_compared``: anchors without a verdict now, or before.
    ``flips``: share of anchors whose verdict now is not the first one; ``noise``: the same of the second.
    ``only_now`` and ``only_then``: anchors that flipped only now, only between first and second; ``p_value``
    is the chance of so many only now if nothing changed. ``moves``: "first → now" with how often.
    ``right_first`` and ``right_now``: share with the gold label, over anchors that have one.
    """

    epoch: str
    judge: str
    state: State
    anchors: int
    compared: int
    not_compared: int
    flips: Estimate
    noise: Estimate
    only_now: int
    only_then: int
    p_value: float | None
    alpha: float
    moves: dict[str, int]
    right_first: Estimate
    right_now: Estimate
    run_id: str = ""
    spent_usd: float = 0.0

    @property
    def drifted(self) -> bool:
        """Whether verdicts changed beyond the judge's own noise."""
        return self.state == "drifted"

    @property
    def words(self) -> str:
        """What the run says, in a line or two."""
        return _words(self)


def drift(
    answers: Sequence[AnchorAnswers],
    *,
    epoch: str,
    judge: str,
    anchors: int,
    baseline: bool = False,
    alpha: float = ALPHA,
) -> DriftReport:
    """Compare answers of one epoch. ``anchors`` is how many there are, those without answers included.

    ``baseline``: there was nothing to ask again.
    """
    compared = [each for each in answers if each.now is not None]
    flipped = np.array([each.now != each.first for each in compared], dtype=np.float64)
    noisy = np.array([each.second != each.first for each in compared], dtype=np.float64)
    only_now, only_then = int((flipped > noisy).sum()), int((noisy > flipped).sum())
    p_value = binomial_tail(only_now, only_now + only_then) if compared else None
    return DriftReport(
        epoch=epoch,
        judge=judge,
        state=_state(len(compared), p_value, alpha, baseline=baseline and bool(answers)),
        anchors=anchors,
        compared=len(compared),
        not_compared=anchors - len(compared),
        flips=_share(flipped),
        noise=_share(noisy if compared else _apart(answers)),
        only_now=only_now,
        only_then=only_then,
        p_value=p_value,
        alpha=alpha,
        moves=dict(
            Counter(f"{each.first} → {each.now}" for each in compared if each.now != each.first).most_common()
        ),
        right_first=_right(compared, "first"),
        right_now=_right(compared, "now"),
    )


def binomial_tail(successes: int, trials: int) -> float:
    """Chance of so many successes or more in trials of one half each; 1 without trials."""
    return float(sum(math.comb(trials, k) for k in range(successes, trials + 1)) / 2**trials)


def fewest_anchors(alpha: float = ALPHA) -> int:
    """Anchors below which not even all of them flipping would be beyond chance."""
    return math.ceil(-math.log2(alpha))


def _state(compared: int, p_value: float | None, alpha: float, *, baseline: bool) -> State:
    if baseline:
        return "baseline"
    if compared < fewest_anchors(alpha) or p_value is None:
        return "cannot_tell"
    return "drifted" if p_value <= alpha else "steady"


def _apart(answers: Sequence[AnchorAnswers]) -> Any:
    return np.array([each.second != each.first for each in answers], dtype=np.float64)


def _share(yes: Any) -> Estimate:
    return ratio(yes, np.ones(len(yes)), _RESAMPLING, undefined="no anchor was judged before and now")


def _right(answers: Sequence[AnchorAnswers], when: Literal["first", "now"]) -> Estimate:
    labelled = [each for each in answers if each.label is not None]
    right = np.array([getattr(each, when) == each.label for each in labelled], dtype=np.float64)
    return ratio(right, np.ones(len(right)), _RESAMPLING, undefined="no anchor has a gold label")


def _words(report: DriftReport) -> str:
    who = f"{report.judge} (epoch {report.epoch})"
    if report.state == "baseline":
        return (
            f"{who}: first answers kept on {report.noise.n:,} anchors; its own "
            f"noise is {_percent(report.noise)}. The next run compares with them."
        )
    if report.state == "cannot_tell":
        return (
            f"{who}: {report.compared:,} anchors judged before and now are too few to tell "
            f"(at least {fewest_anchors(report.alpha)}; 50 or more see a small change)."
        )
    found = (
        f"{_percent(report.flips)} of {report.compared:,} verdicts are no longer the first ones, and "
        f"{_percent(report.noise)} differ when it is asked twice (p = {report.p_value:.2g})"
    )
    if report.drifted:
        return f"{who} has drifted: {found}. The model behind its name was changed, or what serves it."
    return f"{who} is steady: {found}."


def _percent(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.1%}"
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"
