"""Failure rates with intervals, and the version that stands out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import polars as pl

from console.report.text import label

Z95: Final = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""

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


def wilson(failures: int, rows: int, z: float = Z95) -> tuple[float, float]:
    """The score interval of a proportion (E. B. Wilson, JASA 22, 1927), as shares 0 to 1.

    ``(p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n)``; (0, 1) without rows.
    """
    if rows <= 0:
        return 0.0, 1.0
    p = failures / rows
    centre = p + z * z / (2 * rows)
    half = z * math.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


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
