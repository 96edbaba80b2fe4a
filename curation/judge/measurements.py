"""Calibrations that were kept, read back, and what the settings ask of them."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.settings import JudgeSettings
from curation.judge.trust import Measured, Rule
from sinks.lake import Lake


def rule_of(settings: JudgeSettings) -> Rule:
    """What the settings ask of a judge."""
    return Rule(min_kappa=settings.min_kappa, min_gold=settings.min_gold)


def measurements(lake: Lake, *, version: int | None = None) -> Mapping[str, list[Measured]]:
    """Every measurement by epoch, the newest first; optionally as of a Delta version of `calibrations`."""
    if not lake.exists("calibrations"):
        return {}
    rows = (
        lake.scan("calibrations", version=version)
        .sort("measured_at", "calibration_id", descending=True)
        .collect()
    )
    found: dict[str, list[Measured]] = {}
    for row in rows.iter_rows(named=True):
        found.setdefault(row["epoch"], []).append(
            Measured(
                calibration_id=row["calibration_id"],
                measured_at=row["measured_at"],
                compared=row["compared"],
                kappa=row["kappa"],
                kappa_low=row["kappa_low"],
                accuracy=row["accuracy"],
                baseline=row["baseline"],
            )
        )
    return found
