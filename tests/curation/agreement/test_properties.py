"""What must hold for any ratings, and how often the intervals hold the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.agreement.alpha import krippendorff_alpha
from curation.agreement.bootstrap import Bootstrap, patterns, ratio, resampled
from curation.agreement.ceiling import human_ceiling
from curation.agreement.cohen import mean_kappa, pairwise
from curation.agreement.fleiss import fleiss_kappa
from curation.agreement.ratings import Level, Ratings

LABELS = st.one_of(st.none(), st.integers(0, 4))
TABLES = st.integers(2, 5).flatmap(
    lambda raters: st.lists(st.lists(LABELS, min_size=raters, max_size=raters), min_size=1, max_size=12)
)
"""Items × raters, with gaps."""


def ratings_of(table: list[list[int | None]]) -> Ratings:
    return Ratings.from_matrix({f"r{n}": column for n, column in enumerate(zip(*table, strict=True))})


def alpha_by_definition(table: list[list[int | None]], level: Level) -> float | None:
    """α from the coincidence matrix, cell by cell, as Krippendorff writes it."""
    coincidences = np.zeros((5, 5))
    for row in table:
        known = [label for label in row if label is not None]
        for i, a in enumerate(known):
            for j, b in enumerate(known):
                if i != j:
                    coincidences[a, b] += 1 / (len(known) - 1)
    n_c = coincidences.sum(axis=0)
    n = n_c.sum()

    def distance(c: int, k: int) -> float:
        if level is Level.NOMINAL:
            return float(c != k)
        if level is Level.ORDINAL:
            low, high = min(c, k), max(c, k)
            return float((n_c[low : high + 1].sum() - (n_c[c] + n_c[k]) / 2) ** 2)
        if level is Level.INTERVAL:
            return float((c - k) ** 2)
        return ((c - k) / (c + k)) ** 2 if c + k else 0.0

    pairs = [(c, k) for c in range(5) for k in range(5)]
    expected = sum(n_c[c] * n_c[k] * distance(c, k) for c, k in pairs)
    if n < 2 or (n_c > 0).sum() < 2:
        return None
    observed = sum(coincidences[c, k] * distance(c, k) for c, k in pairs)
    return float(1 - (n - 1) * observed / expected)


@given(TABLES, st.sampled_from(list(Level)))
def test_alpha_is_what_its_definition_says(table: list[list[int | None]], level: Level) -> None:
    ratings = ratings_of(table)
    found = krippendorff_alpha(ratings.counts, level, values=ratings.numbers).value
    expected = alpha_by_definition(table, level)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


@given(TABLES, st.randoms(use_true_random=False), st.sampled_from(list(Level)))
def test_who_and_in_which_order_does_not_matter(
    table: list[list[int | None]], random: Any, level: Level
) -> None:
    shuffled = [list(row) for row in table]
    random.shuffle(shuffled)
    order = list(range(len(table[0])))
    random.shuffle(order)
    shuffled = [[row[n] for n in order] for row in shuffled]
    one, other = ratings_of(table), ratings_of(shuffled)
    for statistic in (
        lambda r: krippendorff_alpha(r.counts, level, values=r.numbers),
        lambda r: fleiss_kappa(r.counts),
        lambda r: mean_kappa(r),
        lambda r: human_ceiling(r.counts).accuracy,
    ):
        expected = statistic(one).value
        assert statistic(other).value == (None if expected is None else pytest.approx(expected, abs=1e-9))


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=20).filter(lambda x: len(set(x)) > 1), st.integers(2, 5)
)
def test_perfect_agreement_is_one(labels: list[int], raters: int) -> None:
    ratings = Ratings.from_matrix({f"r{n}": labels for n in range(raters)})
    for level in Level:
        found = krippendorff_alpha(ratings.counts, level, values=ratings.numbers)
        assert found.value == pytest.approx(1.0)
    assert fleiss_kappa(ratings.counts).value == pytest.approx(1.0)
    assert all(pair.cohen_kappa.value == pytest.approx(1.0) for pair in pairwise(ratings, ordered=True))


@given(TABLES, st.integers(0, 3))
@settings(max_examples=40)
def test_intervals_are_ordered_and_repeatable(table: list[list[int | None]], seed: int) -> None:
    counts = ratings_of(table).counts
    bootstrap = Bootstrap(resamples=60, seed=seed)
    found = krippendorff_alpha(counts, bootstrap=bootstrap)
    assert krippendorff_alpha(counts, bootstrap=bootstrap) == found
    assert found.value is not None or found.reason
    if found.low is not None and found.high is not None:
        assert found.low <= found.high <= 1.0 + 1e-12
    elif found.value is not None:
        assert found.reason


@given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=1, max_size=60))
def test_resamples_keep_the_number_of_items(rows: list[list[int]]) -> None:
    _, times = patterns(np.array(rows))
    drawn = np.concatenate(list(resampled(times, Bootstrap(resamples=25))))
    assert drawn.shape == (25, len(times))
    assert (drawn.sum(axis=1) == len(rows)).all()
    assert (drawn >= 0).all()


@pytest.mark.parametrize("raters", [2, 4])
def test_intervals_cover_the_truth(raters: int) -> None:
    """Raters who copy the truth with probability 0.8 and else guess: α of the population is 0.64."""
    rng = np.random.default_rng(7)
    kinds, items, worlds = 4, 120, 200
    covered = 0
    for world in range(worlds):
        truth = rng.integers(kinds, size=items)
        guess = rng.integers(kinds, size=(raters, items))
        copied = rng.random((raters, items)) < 0.8
        labels = np.where(copied, truth, guess)
        counts = np.stack([(labels == kind).sum(axis=0) for kind in range(kinds)], axis=1)
        found = krippendorff_alpha(counts, bootstrap=Bootstrap(resamples=300, seed=world))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.64 <= found.high
    assert 0.90 <= covered / worlds <= 0.99


def test_clusters_are_drawn_whole() -> None:
    """Ten questions of a hundred equal verdicts each are ten observations, not a thousand."""
    parts = np.array([100.0, 0.0] * 5)
    found = ratio(parts, np.full(10, 100.0), Bootstrap())
    assert found.value == 0.5
    assert found.n == 10
    assert found.low is not None
    assert found.low <= 0.3
