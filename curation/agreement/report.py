"""Everything that is to be said about one set of ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from curation.agreement.alpha import krippendorff_alpha
from curation.agreement.bootstrap import Bootstrap
from curation.agreement.ceiling import Baseline, Ceiling, human_ceiling, majority_baseline
from curation.agreement.cohen import Pair, Weights, mean_kappa, pairwise
from curation.agreement.estimate import Estimate
from curation.agreement.fleiss import (
    equal_ratings,
    fleiss_kappa,
    free_marginal_kappa,
    gwet_ac1,
    percent_agreement,
)
from curation.agreement.raters import RaterProfile, profiles
from curation.agreement.ratings import Level, Ratings
from curation.agreement.words import interpretation


@dataclass(frozen=True)
class AgreementReport:
    """Agreement of one set of ratings. Every estimate carries its interval, or why it has none."""

    level: Level
    items: int
    raters: int
    ratings: int
    gaps: int
    """cells of the table items × raters without a rating"""
    items_compared: int
    """items with two or more ratings"""
    ratings_per_item: int | None
    """None when it differs between items"""
    labels: Mapping[str, int]
    """how often each label was given, in order"""
    percent_agreement: Estimate
    krippendorff_alpha: Estimate
    """at ``level``"""
    alpha_nominal: Estimate
    alpha_ordinal: Estimate
    alpha_interval: Estimate
    alpha_ratio: Estimate
    cohen_kappa: Estimate
    """two raters: Cohen's κ; more: Light's, the mean over pairs"""
    weighted_kappa: Estimate
    """the same with quadratic weights; undefined for nominal labels"""
    fleiss_kappa: Estimate
    """generalised to unequal numbers of ratings where there are gaps"""
    free_marginal_kappa: Estimate
    gwet_ac1: Estimate
    majority_baseline: Baseline
    human_ceiling: Ceiling
    pairs: list[Pair]
    rater_profiles: list[RaterProfile]
    interpretation: str
    """one line in words"""


def summarise(ratings: Ratings, level: Level, bootstrap: Bootstrap | None = None) -> AgreementReport:
    """All statistics of one set of ratings at one level of measurement."""
    counts = ratings.counts
    ordered = level is not Level.NOMINAL
    no_order = Estimate.undefined("the labels have no order")

    def alpha(at: Level) -> Estimate:
        # Without numbers only a stated order puts the labels in order.
        if not ordered and at is Level.ORDINAL and ratings.numbers is None:
            return no_order
        return krippendorff_alpha(counts, at, values=ratings.numbers, bootstrap=bootstrap)

    alphas = {at: alpha(at) for at in Level}
    agreed = percent_agreement(counts, bootstrap)
    ac1 = gwet_ac1(counts, bootstrap)
    baseline = majority_baseline(counts, ratings.categories)
    return AgreementReport(
        level=level,
        items=len(ratings.items),
        raters=len(ratings.raters),
        ratings=len(ratings.item),
        gaps=len(ratings.items) * len(ratings.raters) - len(ratings.item),
        items_compared=int((counts.sum(axis=1) >= 2).sum()),
        ratings_per_item=equal_ratings(counts),
        labels={str(label): int(n) for label, n in zip(ratings.categories, counts.sum(axis=0), strict=True)},
        percent_agreement=agreed,
        krippendorff_alpha=alphas[level],
        alpha_nominal=alphas[Level.NOMINAL],
        alpha_ordinal=alphas[Level.ORDINAL],
        alpha_interval=alphas[Level.INTERVAL],
        alpha_ratio=alphas[Level.RATIO],
        cohen_kappa=mean_kappa(ratings, bootstrap=bootstrap),
        weighted_kappa=mean_kappa(ratings, weights=Weights.QUADRATIC, bootstrap=bootstrap)
        if ordered
        else no_order,
        fleiss_kappa=fleiss_kappa(counts, bootstrap),
        free_marginal_kappa=free_marginal_kappa(counts, bootstrap),
        gwet_ac1=ac1,
        majority_baseline=baseline,
        human_ceiling=human_ceiling(counts, bootstrap),
        pairs=pairwise(ratings, ordered=ordered, bootstrap=bootstrap),
        rater_profiles=profiles(ratings, level, bootstrap),
        interpretation=interpretation(alphas[level], agreed, baseline, ac1),
    )
