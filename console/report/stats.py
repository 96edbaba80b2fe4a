"""Failure rates with intervals, and the version that stands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from curation.agreement.wilson import wilson
from sinks.pages.text import label

MIN_ROWS_TO_NAME: Final = 20
"""Fewest requests a version needs before the report calls it the worst."""

NO_VERSION: Final = "version not given"


@dataclass(frozen=True)
class Rate:
    """Failures among requests, with the 95 % Wilson interval (all shares 0 to 1)."""

    failures: int
    rows: int

    @property
    def share(self) -> float:
        """Failures ÷ requests; 0 without requests."""
        return self.failures / self.rows if self.rows else 0.0

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return wilson(self.failures, self.rows)[0]

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return wilson(self.failures, self.rows)[1]


def prepare(interactions: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """User traffic with `failed` (score ≥ threshold) and `version` (model version / prompt version)."""
    version = pl.concat_str("model_version", "prompt_version", separator=" / ", ignore_nulls=True)
    return interactions.filter(pl.col("actor") == "user").with_columns(
        failed=pl.col("failure_score") >= threshold,
        version=pl.when(version == "").then(pl.lit(NO_VERSION)).otherwise(version),
    )


def overall(rows: pl.DataFrame) -> Rate:
    """The failure rate of all prepared rows."""
    return Rate(int(rows["failed"].sum()), rows.height)


@dataclass(frozen=True)
class VersionRate:
    """The failure rate of one version of one feature, and of what it is compared with.

    `baseline` is the other versions of the feature, or the other features when it has only one.
    """

    feature: str
    version: str
    rate: Rate
    baseline: Rate
    baseline_name: str

    @property
    def stands_out(self) -> bool:
        """Whether the interval lies above the baseline's: a difference chance rarely makes."""
        return self.baseline.rows > 0 and self.rate.low > self.baseline.high

    @property
    def name(self) -> str:
        """Feature and version on one line."""
        return f"{label(self.feature)} on {label(self.version)}"


def worst_version(rows: pl.DataFrame) -> VersionRate | None:
    """The version whose interval starts highest among those with enough requests; None without any."""
    table = rows.group_by("feature", "version").agg(pl.col("failed").sum().alias("f"), pl.len().alias("n"))
    enough = [
        (feature, version, Rate(f, n)) for feature, version, f, n in table.rows() if n >= MIN_ROWS_TO_NAME
    ]
    if not enough:
        return None
    feature, version, rate = max(enough, key=lambda item: (item[2].low, item[0], item[1]))
    total = overall(rows)
    own = overall(rows.filter(pl.col("feature") == feature))
    siblings = Rate(own.failures - rate.failures, own.rows - rate.rows)
    if siblings.rows >= MIN_ROWS_TO_NAME:
        return VersionRate(feature, version, rate, siblings, "its other versions")
    others = Rate(total.failures - own.failures, total.rows - own.rows)
    return VersionRate(feature, version, rate, others, "the other features")
