"""Who may decide: the trust in a judge epoch, from what calibration found and what the settings ask.

Pure. A judge is distrusted until it has been measured, see docs/decisions/17-judge-trust.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from curation.judge.epoch import JudgeEpoch

State = Literal["passed", "failed", "not_enough"]
"""not_enough: the gold set cannot tell (too few labels, or only one kind of label)."""

UNCALIBRATED: Final = "judge_uncalibrated"
BELOW_THRESHOLD: Final = "judge_below_threshold"
DRIFTED: Final = "judge_drifted"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The figures of a calibration that decide on trust.

    ``compared``: items that the judge decided. ``kappa_low`` is the lower bound of κ's 95 % interval; None
    where there is no κ or no interval. ``baseline``: accuracy of always giving the most frequent label.
    """

    calibration_id: str
    measured_at: datetime
    compared: int
    kappa: float | None
    kappa_low: float | None
    accuracy: float | None
    baseline: float | None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What calibration asks: κ from ``min_kappa`` (`judge.min_kappa`) on ``min_gold`` labels or more."""

    min_kappa: float
    min_gold: int


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What follows from a measurement, and why, in words."""

    state: State
    why: str


def rule(measured: Measured, asked: Rule) -> Ruling:
    """Whether a measurement lets a judge decide alone.

    It passes when the lower bound of κ's interval reaches the threshold (so that a worse judge would pass
    one time in forty), on enough labels, and when the judge beats always giving the most frequent label.
    """
    if measured.compared < asked.min_gold:
        return Ruling(
            state="not_enough",
            why=f"{measured.compared:,} items compared, and judge.min_gold asks for {asked.min_gold:,}",
        )
    if measured.kappa is None or measured.baseline == 1.0:
        return Ruling(state="not_enough", why="all gold labels are the same: both must occur")
    if measured.kappa < asked.min_kappa:
        return Ruling(state="failed", why=f"κ {measured.kappa:.2f} is below {asked.min_kappa:g}")
    if measured.kappa_low is None:
        return Ruling(state="not_enough", why=f"κ {measured.kappa:.2f} has no interval")
    if measured.kappa_low < asked.min_kappa:
        return Ruling(
            state="failed",
            why=f"κ {measured.kappa:.2f} may be as low as {measured.kappa_low:.2f}: "
            f"below {asked.min_kappa:g}",
        )
    accuracy, baseline = measured.accuracy or 0.0, measured.baseline or 0.0
    if accuracy <= baseline:
        return Ruling(
            state="failed",
            why=f"right in {accuracy:.0%}, and always giving the most frequent label is in {baseline:.0%}",
        )
    return Ruling(
        state="passed", why=f"κ {measured.kappa:.2f}, at least {measured.kappa_low:.2f} with 95 % confidence"
    )


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How far the verdicts of one epoch count.

    ``alone``: they count as they are. Otherwise they count only where the evidence says the same, and
    ``reason`` is why the others are refused. ``evidence_only``: the judge *is* the evidence (rules), so
    nothing can second it. ``calibration``: the measurement behind this, if any.
    """

    epoch: str
    judge: str
    alone: bool
    evidence_only: bool = False
    reason: str | None = None
    calibration: str | None = None
    why: str = ""

    def identity(self) -> dict[str, Any]:
        """What of it decides rows, for the identity of a drop (JSON types)."""
        return {
            "epoch": self.epoch,
            "judge": self.judge,
            "alone": self.alone,
            "reason": self.reason,
            "calibration": self.calibration,
        }


def trust_in(
    epoch: JudgeEpoch,
    calibrations: Sequence[Measured],
    *,
    asked: Rule,
    always: bool = False,
    drifted: bool = False,
) -> Trust:
    """Trust in an epoch, given its measurements (none of another epoch) in any order.

    The newest measurement that can tell counts. The rules judge decides until one speaks against it: it is
    the evidence itself and named so. ``always``: the settings let judges decide unmeasured (`judge.alone`).
    ``drifted``: its anchors say that it is no longer the judge that was measured.
    """
    rules = epoch.kind == "rules"

    def trust(alone: bool, reason: str | None, why: str, calibration: str | None = None) -> Trust:
        return Trust(
            epoch=epoch.id,
            judge=epoch.name,
            alone=alone,
            evidence_only=rules,
            reason=reason,
            calibration=calibration,
            why=why,
        )

    if always:
        return trust(True, None, "judge.alone is `always`")
    if drifted:
        return trust(False, DRIFTED, "its answers on the anchors have changed since it was measured")
    for measured in sorted(calibrations, key=_age, reverse=True):
        ruling = rule(measured, asked)
        if ruling.state == "not_enough":
            continue
        passed = ruling.state == "passed"
        return trust(passed, None if passed else BELOW_THRESHOLD, ruling.why, measured.calibration_id)
    if rules:
        return trust(True, None, "it is the evidence itself")
    why = "measured, but never on enough gold labels" if calibrations else "never calibrated"
    return trust(False, UNCALIBRATED, why)


def unknown_epoch(epoch: str) -> Trust:
    """Trust in an epoch nobody has said anything about: none."""
    return Trust(epoch=epoch, judge="", alone=False, reason=UNCALIBRATED, why="unknown epoch")


def _age(measured: Measured) -> tuple[datetime, str]:
    return measured.measured_at, measured.calibration_id
