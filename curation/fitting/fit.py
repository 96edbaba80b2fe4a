"""One fit from labels to verdict: fitted on some users, measured on others, and refused when no better."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import polars as pl

from contracts.errors import FitRefused
from curation.fitting.coverage import Segment, coverage, propensity_weights
from curation.fitting.design import Design, design
from curation.fitting.labels import Labels
from curation.fitting.measures import Measures, measure
from curation.fitting.regression import Fitted, fit, predict
from curation.scoring import DEFAULT_MODEL, ScoreModel

MIN_OF_EACH: Final = (20, 10)
"""Fewest failures, and fewest passes, among the rows that are fitted and among those held out."""

MIN_USERS: Final = (10, 5)
"""Fewest users among the rows that are fitted and among those held out."""

EQUAL_AUC: Final = 0.005
"""Loss of AUC that still counts as equal."""

COVERAGE_FLOOR: Final = 0.05
"""Share of labelled requests below which a segment is warned about."""


@dataclass(frozen=True, slots=True)
class FitReport:
    """What a fit came to.

    measures: by model (`fitted`, `current` when it is not the priors, `priors`), all on the same held-out
    rows. refusal: why the weights may not be installed, None when they may. segments: coverage by segment.
    balanced: rows were weighed by inverse propensity. seed: of the split and the resampling.
    """

    labels: Labels
    fitted: Fitted
    measures: dict[str, Measures]
    refusal: str | None
    segments: list[Segment]
    balanced: bool
    seed: int
    train: Design
    held_out: Design
    current_version: str
    until: str

    def thin(self, floor: float) -> list[Segment]:
        """Segments with less coverage than the floor, worst first."""
        found = [each for each in self.segments if each.coverage < floor]
        return sorted(found, key=lambda each: (each.coverage, -each.requests))

    def as_dict(self) -> dict[str, Any]:
        """For `--json` and for the weights file: everything that can be told without the clock."""

        def part(rows: Design) -> dict[str, int]:
            return {
                "rows": len(rows.failed),
                "failed": int(rows.failed.sum()),
                "users": len(np.unique(rows.users)),
            }

        return {
            "version": self.fitted.model.version,
            "labels": self.labels.source,
            "labels_count": self.labels.rows.height,
            "labels_sha256": self.labels.sha256,
            "set_aside": self.labels.set_aside or {},
            "data_until": self.until,
            "fitted_on": part(self.train),
            "measured_on": part(self.held_out),
            "terms_kept_from_priors": list(self.labels.excluded),
            "prior_strength": self.fitted.strength,
            "inverse_propensity": self.balanced,
            "seed": self.seed,
            "measures": {name: asdict(found) for name, found in self.measures.items()},
            "compared_with": self.current_version,
            "coefficients": [asdict(each) for each in self.fitted.coefficients],
            "coverage": [asdict(each) | {"coverage": each.coverage} for each in self.segments],
            "refusal": self.refusal,
            "code_version": version("tailrace"),
        }


def fit_score(
    interactions: pl.DataFrame,
    labels: Labels,
    *,
    current: ScoreModel,
    seed: int,
    balance: bool = False,
    priors: ScoreModel = DEFAULT_MODEL,
) -> FitReport:
    """Fit the score to labels of interactions (current ones). Pure; `seed` decides split and resampling.

    With `balance` labelled rows are weighed to resemble all (`coverage.propensity_weights`), in the fit and
    in the measures. Raises `FitRefused` when there are too few labels to say anything; a fit that can be
    measured and is not good enough comes back with a `refusal`.
    """
    rows = design(interactions, labels, seed=seed)
    train, held_out = rows.part(~rows.held_out), rows.part(rows.held_out)
    for name, part, least, users in zip(
        ("to fit", "to measure it on"), (train, held_out), MIN_OF_EACH, MIN_USERS, strict=True
    ):
        _enough(name, part, least, users)
    weights = propensity_weights(interactions, rows) if balance else np.ones(len(rows.failed))
    fitted = fit(train, priors, weights[~rows.held_out])
    models = {"fitted": fitted.model, "current": current, "priors": priors}
    if current.version == priors.version:
        del models["current"]
    own = weights[rows.held_out]
    measures = {n: measure(predict(m, held_out), held_out, own, seed=seed) for n, m in models.items()}
    return FitReport(
        labels=labels,
        fitted=fitted,
        measures=measures,
        refusal=_refusal(measures["fitted"], measures["priors"]),
        segments=coverage(interactions, labels.rows["request_id"]),
        balanced=balance,
        seed=seed,
        train=train,
        held_out=held_out,
        current_version=current.version,
        until=str(rows.until),
    )


def _enough(name: str, part: Design, least: int, users: int) -> None:
    failed = int(part.failed.sum())
    passed = len(part.failed) - failed
    found = len(np.unique(part.users))
    if failed < least or passed < least or found < users:
        raise FitRefused(
            f"too few labels {name}: {failed:,} failures and {passed:,} passes of {found:,} users; "
            f"{least} of each, of {users} users, are the least",
            hint="The weights in force stay. Label more requests, of more users (--labels gold or a file).",
        )


def _refusal(fitted: Measures, priors: Measures) -> str | None:
    if fitted.auc_low <= 0.5:
        return (
            f"on held-out users it tells failures from passes no better than chance: AUC {fitted.auc:.3f}, "
            f"95 % interval {fitted.auc_low:.3f} to {fitted.auc_high:.3f}"
        )
    if fitted.auc < priors.auc - EQUAL_AUC:
        return (
            f"it ranks held-out users' requests worse than the priors: AUC {fitted.auc:.3f}, {priors.auc:.3f}"
        )
    if fitted.brier > priors.brier:
        return (
            f"its probabilities fit held-out users' labels worse than the priors': Brier score "
            f"{fitted.brier:.4f}, {priors.brier:.4f}"
        )
    return None
