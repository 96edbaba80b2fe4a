"""How far a judge agrees with gold labels, and how well it knows when it is right. Pure.

Items it was unsure of, or gave no verdict on, are counted apart: agreement is about what it decides. κ, α and
intervals: `curation.agreement`. Calibration error: `curation.fitting.measures`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from curation.agreement.alpha import krippendorff_alpha
from curation.agreement.bootstrap import Bootstrap, Floats, ratio
from curation.agreement.ceiling import Ceiling, human_ceiling
from curation.agreement.confusion import Comparison, compare
from curation.agreement.estimate import Estimate
from curation.fitting.measures import expected_calibration_error, reliability
from curation.judge.gold_items import GoldItem
from curation.judge.verdicts import Judgment, Spend, total_spent

ORDER: Final = ("fail", "pass")
RESAMPLING: Final = Bootstrap(resamples=2_000, seed=0, confidence=0.95)
"""Fixed: whether a judge may decide must not depend on how often somebody drew."""

_NO_KIND: Final = "none"


@dataclass(frozen=True)
class ConfidenceBin:
    """Verdicts of about equal confidence: their number, mean confidence, and share that was right."""

    verdicts: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Confidence:
    """The judge's confidence taken as a probability of being right."""

    brier: float
    """mean squared distance of confidence and outcome; 0 is perfect, 0.25 is always saying one half"""
    ece: float
    """mean distance of confidence and share right, over bins"""
    bins: tuple[ConfidenceBin, ...]


@dataclass(frozen=True)
class Kinds:
    """Kinds of failure where both say fail and the gold label names one."""

    comparison: Comparison
    """rows: gold; columns: judge"""


@dataclass(frozen=True)
class People:
    """How far the people behind the gold labels agree: what a judge can be asked for."""

    ceiling: Ceiling
    krippendorff_alpha: Estimate
    labels: int
    """labels of items with two or more"""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """One measurement of one epoch. ``comparison`` is of the decided items; None when there are none."""

    items: int
    compared: int
    abstained: int
    unjudged: Mapping[str, int]
    abstention: Estimate
    """share of judged items it was unsure of"""
    comparison: Comparison | None
    kinds: Kinds | None
    confidence: Confidence | None
    people: People | None
    spent: Spend

    @property
    def kappa(self) -> Estimate:
        """Cohen's κ with the gold labels."""
        return self.comparison.cohen_kappa if self.comparison else _NOTHING

    @property
    def alpha(self) -> Estimate:
        """Krippendorff's α with the gold labels."""
        return self.comparison.krippendorff_alpha if self.comparison else _NOTHING

    @property
    def accuracy(self) -> Estimate:
        """Share of decided items with the gold label."""
        return self.comparison.accuracy if self.comparison else _NOTHING

    @property
    def baseline(self) -> float | None:
        """Accuracy of always giving the most frequent gold label."""
        return self.comparison.baseline.share if self.comparison else None

    def report(self) -> dict[str, Any]:
        """Everything, in JSON types."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


_NOTHING: Final = Estimate.undefined("the judge decided none of the items")


def calibrate(
    gold: Sequence[GoldItem], judgments: Sequence[Judgment], *, bootstrap: Bootstrap | None = RESAMPLING
) -> Calibration:
    """Compare judgments of one epoch with gold labels, item by item in the same order.

    Raises `ValueError` when the lists do not match or epochs are mixed.
    """
    if len(gold) != len(judgments):
        raise ValueError(f"{len(gold)} gold items, but {len(judgments)} judgments")
    if len({judgment.epoch for judgment in judgments}) > 1:
        raise ValueError("judgments of several epochs in one statistic")
    judged = [(g, j.verdict) for g, j in zip(gold, judgments, strict=True) if j.verdict is not None]
    decided = [(g, v) for g, v in judged if v.verdict != "unsure"]
    unsure = np.array([v.verdict == "unsure" for _, v in judged], dtype=np.float64)
    return Calibration(
        items=len(gold),
        compared=len(decided),
        abstained=len(judged) - len(decided),
        unjudged=dict(sorted(Counter(str(j.reason) for j in judgments if j.reason is not None).items())),
        abstention=ratio(unsure, np.ones(len(judged)), bootstrap, undefined="nothing was judged"),
        comparison=compare(
            [g.label for g, _ in decided], [v.verdict for _, v in decided], order=ORDER, bootstrap=bootstrap
        )
        if decided
        else None,
        kinds=_kinds(
            [
                (str(g.kind), str(v.failure_kind or _NO_KIND))
                for g, v in decided
                if g.kind is not None and g.label == v.verdict == "fail"
            ],
            bootstrap,
        ),
        confidence=_confidence(
            np.array([v.confidence for _, v in decided]),
            np.array([g.label == v.verdict for g, v in decided], dtype=np.bool_),
        )
        if decided
        else None,
        people=_people(gold, bootstrap),
        spent=total_spent(judgments),
    )


def labels_wanted(calibration: Calibration, min_kappa: float) -> int | None:
    """About how many compared items would put the lower bound of κ at the threshold, κ staying what it is.

    None when more of them cannot: κ is below the threshold, or there is no interval. The interval shrinks
    with the root of the number of items.
    """
    kappa = calibration.kappa
    if kappa.value is None or kappa.low is None or kappa.value <= min_kappa or kappa.low >= min_kappa:
        return None
    times = ((kappa.value - kappa.low) / (kappa.value - min_kappa)) ** 2
    return math.ceil(calibration.compared * times)


def _kinds(pairs: Sequence[tuple[str, str]], bootstrap: Bootstrap | None) -> Kinds | None:
    if not pairs:
        return None
    return Kinds(compare([gold for gold, _ in pairs], [said for _, said in pairs], bootstrap=bootstrap))


def _confidence(said: Floats, right: Any) -> Confidence:
    bins = reliability(said, right, np.ones(len(said)))
    return Confidence(
        brier=float(np.mean((said - right) ** 2)),
        ece=expected_calibration_error(bins),
        bins=tuple(ConfidenceBin(each.rows, each.score, each.failed) for each in bins),
    )


def _people(gold: Sequence[GoldItem], bootstrap: Bootstrap | None) -> People | None:
    counts = np.array([[g.failed, g.passed] for g in gold if g.failed + g.passed >= 2], dtype=np.int64)
    if not len(counts):
        return None
    return People(
        ceiling=human_ceiling(counts, bootstrap),
        krippendorff_alpha=krippendorff_alpha(counts, bootstrap=bootstrap),
        labels=int(counts.sum()),
    )
