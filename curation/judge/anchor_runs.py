"""Answers on anchors, read back: what the newest run of an epoch found, and whether the judge drifted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

import polars as pl

from contracts.tables import frame_schema
from curation.judge.anchors import anchors
from curation.judge.drift import AnchorAnswers, DriftReport, drift
from curation.judge.epoch import JudgeEpoch
from sinks.lake import Lake

_LOOKED_BACK: Final = 50
"""Runs that are looked at for one that can tell."""


def compare_run(lake: Lake, epoch: str, judge: str, *, run_id: str) -> DriftReport:
    """What a run found, from the lake."""
    runs = anchor_runs(lake, epoch)
    checks = runs.filter(pl.col("run_id") == run_id, pl.col("asked") == "check")
    now = dict(checks.drop_nulls("verdict").select("anchor_id", "verdict").iter_rows())
    rows = anchors(lake)
    labels = dict(rows.select("anchor_id", "label").iter_rows())
    answers = [
        AnchorAnswers(anchor_id=anchor, first=first, second=second, now=now.get(anchor), label=labels[anchor])
        for anchor, first, second in references(runs).select("anchor_id", "first", "second").iter_rows()
        if anchor in labels
    ]
    found = drift(answers, epoch=epoch, judge=judge, anchors=rows.height, baseline=checks.is_empty())
    return replace(found, run_id=run_id)


def newest_run(lake: Lake, epoch: str) -> datetime | None:
    """Time of an epoch's newest run; None when there was none."""
    found: datetime | None = anchor_runs(lake, epoch)["judged_at"].max()  # type: ignore[assignment]
    return found


def newest_report(lake: Lake, epoch: str, judge: str) -> DriftReport | None:
    """What an epoch's newest run found that could tell, else its newest run; None when there was none.

    A run that failed halfway does not clear a judge that had drifted before.
    """
    runs = anchor_runs(lake, epoch).select("judged_at", "run_id").unique()
    reports = [
        compare_run(lake, epoch, judge, run_id=run_id)
        for run_id in runs.sort("judged_at", "run_id", descending=True)["run_id"].head(_LOOKED_BACK)
    ]
    return next((each for each in reports if each.state in ("steady", "drifted")), next(iter(reports), None))


def has_drifted(lake: Lake, epoch: JudgeEpoch) -> bool:
    """Whether an epoch's newest run that can tell found drift.

    The rules judge cannot drift: its code is part of its epoch.
    """
    if epoch.kind == "rules":
        return False
    report = newest_report(lake, epoch.id, epoch.name)
    return report is not None and report.drifted


def anchor_runs(lake: Lake, epoch: str) -> pl.DataFrame:
    """Answers of one epoch (columns of `judge_anchor_runs`); epochs never mix.

    Only those since a calibration that asked it everything anew and could tell: what it was before that is
    settled, and what it is now is the new reference.
    """
    if not lake.exists("judge_anchor_runs"):
        return pl.DataFrame(schema=frame_schema("judge_anchor_runs"))
    rows = lake.scan("judge_anchor_runs").filter(pl.col("epoch") == epoch)
    since = _calibrated_afresh(lake, epoch)
    return (rows if since is None else rows.filter(pl.col("judged_at") > since)).collect()


def _calibrated_afresh(lake: Lake, epoch: str) -> datetime | None:
    if not lake.exists("calibrations"):
        return None
    rows = lake.scan("calibrations").filter(
        pl.col("epoch") == epoch, pl.col("fresh"), pl.col("state") != "not_enough"
    )
    found: datetime | None = rows.select(pl.col("measured_at").max()).collect().item()
    return found


def references(runs: pl.DataFrame) -> pl.DataFrame:
    """First and second answer of each anchor, from the earliest run with both: anchor_id, first, second."""
    said = runs.drop_nulls("verdict")
    pair = {
        asked: said.filter(pl.col("asked") == asked).select(
            "anchor_id", "run_id", "judged_at", pl.col("verdict").alias(asked)
        )
        for asked in ("first", "second")
    }
    return (
        pair["first"]
        .join(pair["second"].drop("judged_at"), on=["anchor_id", "run_id"], how="inner")
        .sort("judged_at", "run_id", "anchor_id")
        .unique("anchor_id", keep="first", maintain_order=True)
        .sort("anchor_id")
    )
