"""Judging the anchors again: always asked anew, and compared with the epoch's first answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl

from contracts.errors import TerminalError
from contracts.tables import frame_schema
from curation.confirm import Progress, batched
from curation.judge.anchors import anchor_items, anchors
from curation.judge.base import Judge
from curation.judge.drift import ALPHA, AnchorAnswers, DriftReport, drift
from curation.judge.epochs import note_epoch
from curation.judge.verdicts import Judgment, total_spent
from sinks.lake import Lake
from sinks.transactions import append_once

EVERY_DAYS: Final = 7.0
"""How old the newest run of an epoch may be before a nightly build makes another."""

CHUNK: Final = 64
"""Answers are stored after so many calls, so that a kill does not lose paid work."""


def run_drift(
    lake: Lake, judge: Judge, *, now_us: int, alpha: float = ALPHA, progress: Progress | None = None
) -> DriftReport:
    """Judge every anchor now and compare with the first answers of the same epoch.

    Anchors that this epoch has not answered twice before are asked twice: that is their reference, and the
    judge's noise. The verdict cache is neither read nor written. `now_us` is the clock, UTC microseconds.
    Raises `TerminalError` without anchors, and what judges raise.
    """
    rows = anchors(lake)
    if rows.is_empty():
        raise TerminalError(
            "there are no anchors to judge",
            hint="Add some: `tailrace judge anchors add FILE`, or `--from-gold 50` from labelled requests.",
        )
    note_epoch(lake, judge.epoch, now_us)
    epoch = judge.epoch.id
    run_id = hashlib.sha256(f"{epoch} {now_us}".encode()).hexdigest()[:16]
    known = set(_references(_runs(lake, epoch))["anchor_id"])
    items = anchor_items(rows)
    old = [item for item in items if item.content_hash in known]
    new = [item for item in items if item.content_hash not in known]
    plan = [("check", chunk) for chunk in batched(old, CHUNK)]
    plan += [(asked, chunk) for chunk in batched(new, CHUNK) for asked in ("first", "second")]
    total, done, spent = len(old) + 2 * len(new), 0, 0.0
    for asked, chunk in plan:
        judgments = judge.judge(chunk)
        _store(lake, judge, judgments, run_id=run_id, asked=asked, now_us=now_us)
        spent += total_spent(judgments).cost_usd
        done += len(chunk)
        if progress:
            progress(done, total)
    report = compare_run(lake, epoch, judge.epoch.name, run_id=run_id, alpha=alpha)
    return replace(report, spent_usd=spent)


def compare_run(lake: Lake, epoch: str, judge: str, *, run_id: str, alpha: float = ALPHA) -> DriftReport:
    """What a run found, from the lake."""
    runs = _runs(lake, epoch)
    checks = runs.filter(pl.col("run_id") == run_id, pl.col("asked") == "check")
    now = dict(checks.drop_nulls("verdict").select("anchor_id", "verdict").iter_rows())
    rows = anchors(lake)
    labels = dict(rows.select("anchor_id", "label").iter_rows())
    answers = [
        AnchorAnswers(anchor_id=anchor, first=first, second=second, now=now.get(anchor), label=labels[anchor])
        for anchor, first, second in _references(runs).select("anchor_id", "first", "second").iter_rows()
        if anchor in labels
    ]
    found = drift(
        answers, epoch=epoch, judge=judge, anchors=rows.height, baseline=checks.is_empty(), alpha=alpha
    )
    return replace(found, run_id=run_id)


def newest_run(lake: Lake, epoch: str) -> tuple[str, datetime] | None:
    """Id and time of an epoch's newest run; None when there was none."""
    runs = _runs(lake, epoch).select("run_id", "judged_at").unique().sort("judged_at", "run_id")
    return runs.rows()[-1] if runs.height else None


def newest_report(lake: Lake, epoch: str, judge: str) -> DriftReport | None:
    """What an epoch's newest run found; None when there was none."""
    newest = newest_run(lake, epoch)
    return None if newest is None else compare_run(lake, epoch, judge, run_id=newest[0])


def drift_if_due(
    lake: Lake,
    judge: Judge,
    *,
    now_us: int,
    every_days: float = EVERY_DAYS,
    progress: Progress | None = None,
) -> DriftReport | None:
    """`run_drift` when there are anchors and the epoch's newest run is older than so many days, else None.

    The rules judge cannot drift: its code is part of its epoch.
    """
    if judge.epoch.kind == "rules" or anchors(lake).is_empty():
        return None
    newest = newest_run(lake, judge.epoch.id)
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    if newest is not None and now - newest[1] < timedelta(days=every_days):
        return None
    return run_drift(lake, judge, now_us=now_us, progress=progress)


def _runs(lake: Lake, epoch: str) -> pl.DataFrame:
    """Every answer of one epoch; epochs never mix."""
    if not lake.exists("judge_anchor_runs"):
        return pl.DataFrame(schema=frame_schema("judge_anchor_runs"))
    return lake.scan("judge_anchor_runs").filter(pl.col("epoch") == epoch).collect()


def _references(runs: pl.DataFrame) -> pl.DataFrame:
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


def _store(
    lake: Lake, judge: Judge, judgments: Sequence[Judgment], *, run_id: str, asked: str, now_us: int
) -> None:
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    rows = [_row(each, judge, run_id, asked, now) for each in judgments]
    frame = pl.DataFrame(rows, schema=frame_schema("judge_anchor_runs"), infer_schema_length=None)
    part = hashlib.sha256("".join(sorted(frame["anchor_id"])).encode()).hexdigest()[:16]
    append_once(lake, "judge_anchor_runs", frame, batch_id=f"anchors/{run_id}/{asked}/{part}")


def _row(judgment: Judgment, judge: Judge, run_id: str, asked: str, now: datetime) -> dict[str, Any]:
    verdict = judgment.verdict
    return {
        "run_id": run_id,
        "epoch": judge.epoch.id,
        "judge": judge.epoch.name,
        "anchor_id": judgment.content_hash,
        "asked": asked,
        "verdict": verdict.verdict if verdict else None,
        "failure_kind": str(verdict.failure_kind) if verdict and verdict.failure_kind else None,
        "confidence": verdict.confidence if verdict else None,
        "unjudged": str(judgment.reason) if judgment.reason else None,
        "input_tokens": judgment.spent.input_tokens,
        "output_tokens": judgment.spent.output_tokens,
        "cost_usd": judgment.spent.cost_usd,
        "judged_at": now,
        "date": now.date(),
    }
