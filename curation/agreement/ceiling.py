"""What an instrument is measured against: the majority class below, the agreement of people above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curation.agreement.bootstrap import Bootstrap, Floats, Ints, estimate, patterns, ratio
from curation.agreement.cohen import ONE_CATEGORY
from curation.agreement.estimate import Estimate
from curation.agreement.ratings import Label, no_pairs


@dataclass(frozen=True)
class Baseline:
    """Always answering the most frequent label."""

    label: Label | None
    """None when there are no ratings; the first of several equally frequent ones"""
    share: float | None
    """share of all ratings it would get right"""


@dataclass(frozen=True)
class Ceiling:
    """One person against the majority of the others, averaged over everybody who is left out in turn."""

    accuracy: Estimate
    kappa: Estimate


def majority_baseline(counts: Ints, categories: tuple[Label, ...]) -> Baseline:
    """The label with the most ratings over (items, categories) counts, and its share of them."""
    totals = counts.sum(axis=0)
    if not totals.sum():
        return Baseline(None, None)
    best = int(totals.argmax())
    return Baseline(categories[best], float(totals[best] / totals.sum()))


def human_ceiling(counts: Ints, bootstrap: Bootstrap | None = None) -> Ceiling:
    """Leave one rater out: how well a person predicts the majority of the rest.

    Where the rest is tied, each tied label counts in equal parts (what breaking ties at random gives on
    average). Undefined below three ratings an item: one other person is no majority.
    """
    reason = no_pairs(counts)
    usable = counts[counts.sum(axis=1) >= 3]
    if reason or not len(usable):
        missing = Estimate.undefined(
            reason or "no item has three ratings: leaving one out leaves no majority"
        )
        return Ceiling(missing, missing)
    rows, times = patterns(usable)
    given, rest, right = _left_out(rows)
    sizes = rows.sum(axis=1).astype(np.float64)

    def kappa(drawn: Floats) -> Floats:
        a, b, n = drawn @ given, drawn @ rest, drawn @ sizes
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = (a * b).sum(axis=1) / n**2
            result: Floats = ((drawn @ right) / n - expected) / (1.0 - expected)
        return np.where(expected < 1.0 - 1e-12, result, np.nan)

    owner = np.repeat(np.arange(len(rows)), times)
    whole = times[None, :].astype(np.float64)
    a, b = (whole @ given)[0] / (whole @ sizes), (whole @ rest)[0] / (whole @ sizes)
    room = 1.0 - float((a * b).sum())
    return Ceiling(
        accuracy=ratio(right[owner], sizes[owner], bootstrap),
        kappa=estimate(
            kappa, times, bootstrap, undefined=ONE_CATEGORY, worst=1.0 / room if room > 0 else None
        ),
    )


def _left_out(rows: Ints) -> tuple[Floats, Floats, Floats]:
    """Per pattern: labels given, labels of the rest's majority, and how much of them coincides."""
    size = rows.shape[1]
    given = rows.astype(np.float64)
    rest = np.zeros_like(given)
    right = np.zeros(len(rows))
    for label in range(size):
        others = rows.copy()
        others[:, label] -= 1
        ahead = others == others.max(axis=1, keepdims=True)
        majority = ahead / ahead.sum(axis=1, keepdims=True)
        rest += given[:, label, None] * majority
        right += given[:, label] * majority[:, label]
    return given, rest, right
