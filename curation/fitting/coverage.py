"""Who is labelled at all. The labels of a fit are those that were observed; who is never observed is not
well served, they are unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from curation.fitting.design import Design, Floats

SEGMENTS: Final = ("feature", "model", "model_version", "deployment_target", "region", "finish_class", "seen")
"""What coverage is reported by. `seen`: which sort of evidence there is (explicit, behaviour, none)."""

MAX_VALUES: Final = 50
"""Values of one segment column that are listed, most requests first."""

LEAST_PROPENSITY: Final = 0.02
"""Chance of being labelled below which a row's weight grows no further."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Requests of real users of one segment, and how many of them are labelled."""

    by: str
    value: str
    requests: int
    labelled: int

    @property
    def coverage(self) -> float:
        """Share of labelled requests."""
        return self.labelled / self.requests


def with_seen(interactions: pl.DataFrame) -> pl.DataFrame:
    """Interactions of real users with the sort of evidence there is, as `seen`."""
    acted = ("edit", "regenerate", "retry", "undo", "copy", "accept", "escalate", "report", "dwell")
    explicit = pl.any_horizontal("has_thumbs", "has_rating")
    behaviour = pl.any_horizontal(*(f"has_{name}" for name in acted))
    return interactions.filter(pl.col("actor") == "user").with_columns(
        seen=pl.when(explicit)
        .then(pl.lit("explicit"))
        .when(behaviour)
        .then(pl.lit("behaviour"))
        .otherwise(pl.lit("nothing"))
    )


def coverage(interactions: pl.DataFrame, labelled: pl.Series) -> list[Segment]:
    """Coverage by every value of every segment column; `labelled` are request ids. Unknown values are "–"."""
    rows = with_seen(interactions).with_columns(labelled=pl.col("request_id").is_in(labelled.implode()))
    found = []
    for by in SEGMENTS:
        counted = (
            rows.group_by(pl.col(by).fill_null("–").alias("value"))
            .agg(pl.len().alias("requests"), pl.col("labelled").sum())
            .sort("requests", "value", descending=[True, False])
            .head(MAX_VALUES)
        )
        if counted.height > 1 or by == "feature":
            found += [Segment(by, *row) for row in counted.rows()]
    return found


def propensity_weights(interactions: pl.DataFrame, design: Design) -> Floats:
    """Inverse-propensity weights of a design's rows, mean 1: labelled requests stand for unlabelled ones
    like them.

    The chance of being labelled is a logistic regression on the segment columns, over all requests of real
    users. It corrects for what those columns tell, and for nothing else.
    """
    from sklearn.linear_model import LogisticRegression

    rows = with_seen(interactions)
    columns = [name for name in SEGMENTS if rows[name].n_unique() > 1]
    labelled = rows["request_id"].is_in(design.rows["request_id"].implode())
    if not columns or labelled.all():
        return np.ones(len(design.failed))
    dummies = rows.select(pl.col(name).fill_null("–") for name in columns).to_dummies(drop_first=True)
    x = dummies.to_numpy().astype(np.float64)
    solver: Any = LogisticRegression(C=1.0, max_iter=1_000)
    chance = solver.fit(x, labelled.to_numpy()).predict_proba(x)[:, 1]
    by_id = pl.DataFrame({"request_id": rows["request_id"], "chance": chance})
    own = design.rows.select("request_id").join(by_id, on="request_id", how="left", maintain_order="left")
    weights = 1.0 / np.clip(own["chance"].to_numpy(), LEAST_PROPENSITY, 1.0)
    result: Floats = weights / weights.mean()
    return result
