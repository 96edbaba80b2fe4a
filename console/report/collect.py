"""Gather from the lake and its newest drop what the report shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import polars as pl

from console.ranking import latent_auc
from console.report.data import ReportData, SamplePair
from console.report.page import render
from contracts.chat import shown
from contracts.settings import Settings
from curation.nightly import step_seconds
from curation.pairs import parse
from sinks.accounting import account
from sinks.drops.documents.funnel import steps_of
from sinks.drops.manifest import read_manifest
from sinks.drops.publish import registry
from sinks.lake import Lake
from sinks.pages.templating import write_page

REPORT_FILE: Final = "report.html"
SAMPLE_PAIRS: Final = 6


def collect(settings: Settings, lake: Lake, *, truth: Path | None = None) -> ReportData:
    """Everything the report shows; `truth` is the simulator's truth file, when there is one."""
    drops = registry(lake)
    manifest: dict[str, Any] | None = None
    pairs: list[SamplePair] = []
    seconds: dict[str, float] = {}
    if drops.height:
        newest = drops.row(0, named=True)
        manifest = read_manifest(settings.drops_root / newest["path"])
        seconds = step_seconds(newest)
        pairs = sample_pairs(lake, newest["drop_id"])
    interactions = lake.interactions().collect()
    as_of = manifest["as_of"] if manifest else interactions["evidence_until"].max()
    letters = lake.scan("dead_letters").group_by("reason").len().sort("len", descending=True).collect()
    return ReportData(
        title="Tailrace",
        generated_for=str(as_of or "an empty lake"),
        interactions=interactions,
        accounting=account(lake, horizon_us=settings.join.horizon_us).as_dict(),
        funnel=steps_of(manifest, seconds),
        pairs=pairs,
        manifest=manifest,
        ranking_auc=latent_auc(lake, truth) if truth else None,
        dead_letter_reasons=dict(letters.iter_rows()),
        failure_threshold=settings.curation.failure_threshold,
    )


def sample_pairs(lake: Lake, drop_id: str) -> list[SamplePair]:
    """A few pairs of a drop: alternating between sources, one per feature first, highest scores first."""
    examples = lake.scan("examples").filter(pl.col("drop_id") == drop_id, pl.col("kind") == "preference")
    texts = lake.scan("preferences").filter(pl.col("drop_id") == drop_id)
    epochs = examples.select(pl.col("judge_epoch").unique()).collect()["judge_epoch"]
    verdicts = (
        lake.scan("judgments")
        .filter(pl.col("epoch").is_in(epochs.implode()))
        .select(judge_epoch="epoch", rejected_request_id="request_id", verdict="verdict")
        .unique(["judge_epoch", "rejected_request_id"], keep="last")
    )
    evidence = lake.interactions().select(rejected_request_id="request_id", contributions="contributions")
    turn = pl.int_range(pl.len()).over("pair_source", "feature")
    rows = (
        examples.drop("date")
        .join(texts.drop("date", "drop_id"), on="example_id")
        .join(verdicts, on=["judge_epoch", "rejected_request_id"], how="left")
        .join(evidence, on="rejected_request_id", how="left")
        .sort("failure_score", "example_id", descending=[True, False])
        .with_columns(_turn=turn)
        .sort("_turn", "pair_source", "feature", "example_id")
        .head(SAMPLE_PAIRS)
        .collect()
    )
    return [_sample(row) for row in rows.iter_rows(named=True)]


def _sample(row: dict[str, Any]) -> SamplePair:
    def turns(column: str) -> list[dict[str, str]]:
        return [{"role": turn["role"], "content": shown(turn)} for turn in parse(row[column])]

    return SamplePair(
        prompt=turns("prompt"),
        chosen=turns("chosen")[0]["content"],
        rejected=turns("rejected")[0]["content"],
        pair_source=row["pair_source"],
        feature=row["feature"],
        failure_score=row["failure_score"],
        contributions=[(c["signal"], c["contribution"]) for c in row["contributions"] or ()],
        request_ids=row["request_ids"],
        verdict=row["verdict"],
    )


def write_report(settings: Settings, lake: Lake, *, truth: Path | None = None) -> Path:
    """Write `report.html` into the home directory; returns its path."""
    page = render(collect(settings, lake, truth=truth))
    return write_page(settings.home / REPORT_FILE, page)
