"""A build up to the judge, and what the judge would cost: nothing is asked, paid or written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from contracts.settings import Settings
from curation.buckets import scratch
from curation.engine import Engine, LocalEngine
from curation.gating import Gated, gate_candidates
from curation.judge.base import Judge
from curation.judge.budget import Limits, Prices
from curation.judge.forecast import Experience, Forecast, forecast
from curation.judge.openai_judge import OpenAIJudge
from curation.judging import judge_items, known_contents
from curation.sources import Progress, Sources, Workplace, silent
from sinks.drops.lock import exclusive
from sinks.lake import Lake


@dataclass(frozen=True)
class Rehearsal:
    """What a build would come to before the judge is asked.

    `candidates`: rows that reach the judge. `forecast`: what their judging would cost; None when the judge
    costs nothing (rules). `mode`: live or batch. `rewrites`: candidates whose failure the judge may rewrite,
    each of which can bring two comparisons more.
    """

    as_of: datetime
    candidates: int
    funnel: list[dict[str, Any]]
    seconds: dict[str, float]
    judge: str
    epoch: str
    mode: str
    forecast: Forecast | None
    rewrites: int


def rehearse(
    lake: Lake,
    drops_root: Path,
    settings: Settings,
    judge: Judge,
    *,
    as_of: datetime | None = None,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Rehearsal:
    """Run every gate before the judge and forecast the rest.

    Late evidence is not folded in first, as that would write: a build may meet a few other rows. Raises
    `TerminalError` when the lake holds nothing.
    """
    # Scratch folders are swept by whoever holds the lock of a build.
    with exclusive(drops_root):
        sources = Sources.pin(lake, settings.curation.channel, as_of)
        with scratch(drops_root) as folder:
            place = Workplace(folder, engine or LocalEngine(), time.perf_counter, progress)
            gated = gate_candidates(sources, settings, place)
            found = None
            if isinstance(judge, OpenAIJudge):
                found = _forecast(lake, settings, judge, gated)
    return Rehearsal(
        as_of=sources.as_of,
        candidates=gated.rows.height,
        funnel=gated.funnel.stats,
        seconds=gated.funnel.seconds,
        judge=judge.epoch.name,
        epoch=judge.epoch.id,
        mode=settings.judge.mode,
        forecast=found,
        rewrites=int(gated.rows["failing"].sum()) if found and settings.judge.rewrites else 0,
    )


def _forecast(lake: Lake, settings: Settings, judge: OpenAIJudge, gated: Gated) -> Forecast:
    sizes: list[int] = []
    seen: set[str] = set()
    for rows in gated.with_texts(gated.rows):
        items = {item.content_hash: item for item in judge_items(rows) if item.content_hash not in seen}
        seen.update(items)
        known = known_contents(lake, judge.epoch.id, items)
        sizes += [judge.question(item).size_bytes for key, item in items.items() if key not in known]
    share = settings.judge.batch_price_share if settings.judge.mode == "batch" else 1.0
    return forecast(
        sizes,
        contents=len(seen),
        max_tokens=settings.judge.max_tokens,
        prices=Prices.from_settings(settings.judge, share=share),
        limits=Limits.of_run(settings.judge),
        experience=experience(lake, judge.epoch.id),
    )


def experience(lake: Lake, epoch: str) -> Experience:
    """What the verdicts of an epoch have taken on average."""
    rows = lake.scan("judgments").filter(pl.col("epoch") == epoch)
    found = rows.select(
        verdicts=pl.len(),
        input_tokens=pl.col("input_tokens").mean(),
        output_tokens=pl.col("output_tokens").mean(),
    ).collect()
    verdicts, input_tokens, output_tokens = found.row(0)
    return Experience(verdicts=verdicts, input_tokens=input_tokens or 0.0, output_tokens=output_tokens or 0.0)
