"""Logistic regression that starts from the priors and moves as far as the labels carry it.

The prior of each weight is the conjugate one of logistic regression (Diaconis and Ylvisaker, Ann. Statist. 7,
1979): `strength` imaginary labels of requests on which nothing but that evidence was seen, failing at the
rate the prior weight says. As ordinary rows with sample weights, scikit-learn fits them with the rest. So
evidence that no labelled request shows keeps its prior weight exactly (the outcome's weight, when outcomes
are the labels), rare evidence moves a little, common evidence goes where the data are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from curation.fitting.design import Bools, Design, Floats, folds
from curation.scoring import ScoreModel

STRENGTHS: Final = (2.0, 8.0, 32.0, 128.0, 512.0)
"""Strengths of the priors that cross-validation chooses from, in labels per term."""

FOLDS: Final = 5
Z95: Final = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""

MAX_ITERATIONS: Final = 1_000
ORIGIN: Final = "fitted"


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One weight: its prior, the fitted value and its 95 % interval, and the labelled rows that show it."""

    term: str
    prior: float
    fitted: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fit: the model, its coefficients (the intercept first), and how strong the priors were."""

    model: ScoreModel
    coefficients: tuple[Coefficient, ...]
    strength: float


def sigmoid(logits: Floats) -> Floats:
    """Probabilities of log-odds."""
    result: Floats = 1.0 / (1.0 + np.exp(-np.clip(logits, -500.0, 500.0)))
    return result


def predict(model: ScoreModel, design: Design) -> Floats:
    """Probability of failure of each row under a model, from the design's evidence alone."""
    return sigmoid(model.intercept + design.x @ np.array([model.weights[name] for name in design.terms]))


def fit(design: Design, priors: ScoreModel, weights: Floats) -> Fitted:
    """Fit all rows of a design. `weights` per row; the priors' strength is chosen by cross-validated log
    loss, users kept together."""
    mean = _vector(priors, design)
    strength = _choose_strength(design, mean, weights)
    found = _solve(design, mean, strength, weights)
    spread = _spread(design, found, strength, weights)
    rows = [len(design.failed), *(np.count_nonzero(design.x, axis=0).tolist())]
    coefficients = tuple(
        Coefficient(term, float(m), float(w), float(w - Z95 * s), float(w + Z95 * s), int(n))
        for term, m, w, s, n in zip(("intercept", *design.terms), mean, found, spread, rows, strict=True)
    )
    # Rounded, so that the last bits of an optimiser on another machine do not make another version.
    values = [round(float(w), 4) for w in found]
    model = ScoreModel(
        weights=dict(zip(design.terms, values[1:], strict=True)), intercept=values[0], origin=ORIGIN
    )
    return Fitted(model, coefficients, strength)


def _vector(model: ScoreModel, design: Design) -> Floats:
    return np.array([model.intercept, *(model.weights[name] for name in design.terms)])


def _with_intercept(x: Floats) -> Floats:
    return np.column_stack([np.ones(len(x)), x])


def _solve(design: Design, mean: Floats, strength: float, weights: Floats) -> Floats:
    """Posterior mode of intercept and weights."""
    # Takes half a second to import.
    from sklearn.linear_model import LogisticRegression

    terms = len(mean)
    imaginary = np.eye(terms)
    rates = sigmoid(mean)
    x = np.vstack([_with_intercept(design.x), imaginary, imaginary])
    y = np.concatenate([design.failed, np.ones(terms, np.bool_), np.zeros(terms, np.bool_)])
    w = np.concatenate([weights, strength * rates, strength * (1.0 - rates)])
    # The imaginary rows regularise: C takes away scikit-learn's own penalty.
    solver: Any = LogisticRegression(
        C=np.inf, fit_intercept=False, solver="newton-cholesky", max_iter=MAX_ITERATIONS, tol=1e-8
    )
    solver.fit(x, y, sample_weight=w)
    found: Floats = solver.coef_[0]
    # Where nothing but the prior speaks, its own value is the answer to the last digit.
    shown = np.concatenate([[True], design.x.any(axis=0)])
    return np.where(shown, found, mean)


def _choose_strength(design: Design, mean: Floats, weights: Floats) -> float:
    fold = folds(design.users, FOLDS)
    losses = dict.fromkeys(STRENGTHS, 0.0)
    for n in range(FOLDS):
        train, test = fold != n, fold == n
        if not _both(design.failed[train]) or not test.any():
            continue
        part = design.part(train)
        for strength in STRENGTHS:
            found = _solve(part, mean, strength, weights[train])
            chance = np.clip(sigmoid(_with_intercept(design.x[test]) @ found), 1e-12, 1 - 1e-12)
            loss = np.where(design.failed[test], -np.log(chance), -np.log(1 - chance))
            losses[strength] += float(loss @ weights[test])
    return min(losses, key=lambda strength: (losses[strength], -strength))


def _both(failed: Bools) -> bool:
    return bool(failed.any() and not failed.all())


def _spread(design: Design, found: Floats, strength: float, weights: Floats) -> Floats:
    """Standard errors: of the posterior (Laplace), or robust to users that repeat themselves where larger.

    Robust: the sandwich estimator with one score per user (Liang and Zeger, Biometrika 73, 1986).
    """
    x = _with_intercept(design.x)
    chance = sigmoid(x @ found)
    rates = sigmoid(found)
    information = x.T @ (x * (weights * chance * (1 - chance))[:, None])
    information += np.diag(strength * rates * (1 - rates))
    inverse = np.linalg.inv(information)
    _, user = np.unique(design.users, return_inverse=True)
    scores = np.zeros((user.max() + 1, x.shape[1]))
    np.add.at(scores, user, x * (weights * (design.failed - chance))[:, None])
    robust = inverse @ (scores.T @ scores) @ inverse
    result: Floats = np.sqrt(np.maximum(np.diag(inverse), np.diag(robust)))
    return result
