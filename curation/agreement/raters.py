"""Every rater against the rest: agreement, leniency, and whether either moves over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from curation.agreement.alpha import krippendorff_alpha
from curation.agreement.bootstrap import Bootstrap, Floats, Ints, estimate, ratio
from curation.agreement.estimate import Estimate
from curation.agreement.ratings import Level, Ratings

_ALONE = "nobody else rated the same items"
_NO_ORDER = "the labels have no order"


@dataclass(frozen=True)
class RaterProfile:
    """One rater, over the items that others rated too."""

    rater: str
    ratings: int
    """labels given, shared or not"""
    shared: int
    """of these, on items somebody else rated too"""
    agreement_with_rest: Estimate
    """mean share of the other raters of an item who gave the same label"""
    leniency: Estimate
    """mean of (own label − mean of the others' labels); above 0: gives higher labels"""
    alpha_without: float | None
    """Krippendorff's α of all others: well above the whole when this rater is the odd one out"""
    drift_agreement: Estimate
    """agreement with the rest in the later half of the rater's labels minus the earlier half"""
    drift_leniency: Estimate
    """the same for leniency"""


def profiles(ratings: Ratings, level: Level, bootstrap: Bootstrap | None = None) -> list[RaterProfile]:
    """One profile per rater, in the order of ``ratings.raters``."""
    counts = ratings.counts
    per_item = counts.sum(axis=1)
    others = per_item[ratings.item] - 1
    positions = ratings.positions
    with np.errstate(invalid="ignore", divide="ignore"):
        agreed = (counts[ratings.item, ratings.code] - 1) / others
        mine = positions[ratings.code]
        ahead = mine - ((counts @ positions)[ratings.item] - mine) / others
    ordered = level is not Level.NOMINAL
    found = []
    for n, rater in enumerate(ratings.raters):
        own = np.flatnonzero(ratings.rater == n)
        usable = own[others[own] > 0]
        late = None if ratings.times is None else _later_half(ratings.times[usable])
        found.append(
            RaterProfile(
                rater=rater,
                ratings=len(own),
                shared=len(usable),
                agreement_with_rest=ratio(agreed[usable], np.ones(len(usable)), bootstrap, undefined=_ALONE),
                leniency=_mean(ahead[usable], bootstrap) if ordered else Estimate.undefined(_NO_ORDER),
                alpha_without=krippendorff_alpha(
                    ratings.without(n).counts, level, values=ratings.numbers
                ).value,
                drift_agreement=_drift(agreed[usable], late, bootstrap),
                drift_leniency=_drift(ahead[usable], late, bootstrap)
                if ordered
                else Estimate.undefined(_NO_ORDER),
            )
        )
    return found


def _later_half(times: Floats) -> Ints:
    """1 for the later half of the ratings, 0 for the earlier; ties in time by order."""
    late = np.zeros(len(times), dtype=np.int64)
    late[np.argsort(times, kind="stable")[len(times) // 2 :]] = 1
    return late


def _mean(values: Floats, bootstrap: Bootstrap | None) -> Estimate:
    def of(drawn: Floats) -> Floats:
        result: Floats = (drawn @ values) / drawn.sum(axis=1)
        return result

    return estimate(of, np.ones(len(values), dtype=np.int64), bootstrap, undefined=_ALONE)


def _drift(values: Floats, late: Ints | None, bootstrap: Bootstrap | None) -> Estimate:
    if late is None:
        return Estimate.undefined("no time column")
    if len(values) < 4:
        return Estimate.undefined("fewer than four shared items: no halves to compare", n=len(values))

    def of(drawn: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            after = (drawn @ (values * late)) / (drawn @ late)
            before = (drawn @ (values * (1 - late))) / (drawn @ (1 - late))
            result: Floats = after - before
        return result

    return estimate(of, np.ones(len(values), dtype=np.int64), bootstrap, undefined=_ALONE)
