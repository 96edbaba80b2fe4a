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
from curation.judge.anchor_runs import anchor_runs, compare_run, newest_run, references
from curation.judge.anchors import anchor_items, anchors
from curation.judge.base import Judge
from curation.judge.drift import DriftReport
from curation.judge.epochs import note_epoch
from curation.judge.verdicts import Judgment, total_spent
from curation.judging import Progress, batched
from sinks.lake import Lake
from sinks.transactions import append_once

EVERY_DAYS: Final = 7.0
"""How old the newest run of an epoch may be before a nightly build makes another."""

CHUNK: Final = 64
"""Answers are stored after so many calls, so that a kill does not lose paid work."""


def run_drift(lake: Lake, judge: Judge, *, now_us: int, progress: Progress | None = None) -> DriftReport:
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
    known = set(references(anchor_runs(lake, epoch))["anchor_id"])
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
    report = compare_run(lake, epoch, judge.epoch.name, run_id=run_id)
    return replace(report, spent_usd=spent)


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
    if newest is not None and now - newest < timedelta(days=every_days):
        return None
    return run_drift(lake, judge, now_us=now_us, progress=progress)


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
