"""Calibrating a judge: judge the gold set, measure, keep the result."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import polars as pl

from contracts.errors import LabelsInvalid
from contracts.settings import JudgeSettings
from contracts.tables import frame_schema
from curation.judge.anchor_runs import has_drifted
from curation.judge.base import Judge
from curation.judge.calibration import Calibration, calibrate
from curation.judge.epochs import note_epoch
from curation.judge.gold_items import GoldSet
from curation.judge.measurements import rule_of
from curation.judge.trust import Measured, Ruling, rule
from curation.judge.verdicts import JudgeItem, Judgment
from curation.judging import Progress, batched, chunk_size, judge_all
from sinks.lake import Lake
from sinks.transactions import append_new


@dataclass(frozen=True)
class Result:
    """A calibration that was kept: its id, the figures, what follows, and whether all was asked anew."""

    calibration_id: str
    calibration: Calibration
    ruling: Ruling
    fresh: bool


def run_calibration(
    lake: Lake,
    judge: Judge,
    gold: GoldSet,
    settings: JudgeSettings,
    *,
    now_us: int,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Judge a gold set (known verdicts of the epoch are not paid again), measure, and keep the result.

    `fresh`: every item is asked anew and the cache is left alone. A judge whose anchors say it drifted is
    always measured so: cached verdicts are those of the judge it was. `now_us` is the clock, UTC
    microseconds. Raises `LabelsInvalid` for an empty set, and what judges raise.
    """
    if not gold.items:
        aside = ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in gold.set_aside.items())
        raise LabelsInvalid(
            f"there are no gold labels to measure the judge against{f' ({aside})' if aside else ''}",
            hint="Label some: `tailrace judge tasks --export FILE`, fill in `label`, then "
            "`tailrace judge label FILE`.",
        )
    note_epoch(lake, judge.epoch, now_us)
    items = [each.item for each in gold.items]
    fresh = fresh or has_drifted(lake, judge.epoch)
    if fresh:
        judgments = ask_anew(judge, items, progress)
    else:
        judgments = judge_all(lake, judge, items, judged_at_us=now_us, progress=progress)
    found = calibrate(gold.items, judgments)
    measured = _measured(found, judge, gold, now_us)
    ruling = rule(measured, rule_of(settings))
    row = {
        "calibration_id": measured.calibration_id,
        "epoch": judge.epoch.id,
        "judge": judge.epoch.name,
        "gold_source": gold.source,
        "gold_hash": gold.hash,
        "gold_items": found.items,
        "compared": found.compared,
        "abstained": found.abstained,
        "unjudged": sum(found.unjudged.values()),
        "kappa": found.kappa.value,
        "kappa_low": found.kappa.low,
        "kappa_high": found.kappa.high,
        "alpha": found.alpha.value,
        "alpha_low": found.alpha.low,
        "alpha_high": found.alpha.high,
        "accuracy": found.accuracy.value,
        "baseline": found.baseline,
        "threshold": settings.min_kappa,
        "min_gold": settings.min_gold,
        "state": ruling.state,
        "passed": ruling.state == "passed",
        "fresh": fresh,
        "report": msgspec.json.encode({**found.report(), "set_aside": dict(gold.set_aside)}).decode(),
        "measured_at": measured.measured_at,
    }
    append_new(
        lake, "calibrations", pl.DataFrame([row], schema=frame_schema("calibrations")), key="calibration_id"
    )
    return Result(measured.calibration_id, found, ruling, fresh)


def ask_anew(judge: Judge, items: Sequence[JudgeItem], progress: Progress | None) -> list[Judgment]:
    """Judge items past the cache, which is neither read nor written."""
    judgments: list[Judgment] = []
    for chunk in batched(items, chunk_size(judge.at_once, None)):
        judgments += judge.judge(chunk)
        if progress:
            progress(len(judgments), len(items))
    return judgments


def _measured(found: Calibration, judge: Judge, gold: GoldSet, now_us: int) -> Measured:
    name = hashlib.sha256(f"{judge.epoch.id} {gold.hash} {now_us}".encode()).hexdigest()[:16]
    return Measured(
        calibration_id=name,
        measured_at=datetime.fromtimestamp(now_us / 1_000_000, UTC),
        compared=found.compared,
        kappa=found.kappa.value,
        kappa_low=found.kappa.low,
        accuracy=found.accuracy.value,
        baseline=found.baseline,
    )
