"""A build up to the judge, and what the judge would cost: nothing is asked, paid or written."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from contracts.settings import JudgeEndpointSettings, Settings
from curation.buckets import scratch
from curation.engine import Engine, LocalEngine
from curation.gating import Gated, gate_candidates
from curation.judge.base import Judge
from curation.judge.bench import Bench
from curation.judge.budget import Limits, Prices
from curation.judge.forecast import Experience, Forecast, forecast
from curation.judge.openai_judge import OpenAIJudge
from curation.judging import judge_items, known_contents
from curation.own_family import own_family
from curation.sources import Progress, Sources, Workplace, silent
from sinks.drops.lock import exclusive
from sinks.lake import Lake


@dataclass(frozen=True)
class Rehearsal:
    """What a build would come to before the judge is asked.

    `candidates`: rows that reach the judge. `forecast`: what their judging would cost; None when the judge
    costs nothing (rules). `mode`: live or batch. `comparisons`: calls that may come on top, when every
    failure is rewritten and compared in both orders.
    """

    as_of: datetime
    candidates: int
    funnel: list[dict[str, Any]]
    seconds: dict[str, float]
    judge: str
    epoch: str
    mode: str
    forecast: Forecast | None
    comparisons: int


def rehearse(
    lake: Lake,
    drops_root: Path,
    settings: Settings,
    judge: Judge | Bench,
    *,
    as_of: datetime | None = None,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Rehearsal:
    """Run every gate before the judge and forecast the rest.

    Late evidence is not folded in first, as that would write: a build may meet a few other rows. Raises
    `TerminalError` when the lake holds nothing.
    """
    bench = Bench.over(judge, settings.judge)
    # Scratch folders are swept by whoever holds the lock of a build.
    with exclusive(drops_root):
        sources = Sources.pin(lake, settings.curation.channel, as_of)
        with scratch(drops_root) as folder:
            place = Workplace(folder, engine or LocalEngine(), time.perf_counter, progress)
            gated = gate_candidates(sources, settings, place)
            wanted = gated.funnel.record(own_family(gated.rows, bench))
            found = _forecast(lake, settings, bench, gated, wanted)
    return Rehearsal(
        as_of=sources.as_of,
        candidates=wanted.height,
        funnel=gated.funnel.stats,
        seconds=gated.funnel.seconds,
        judge=bench.epoch.name,
        epoch=bench.epoch.id,
        mode=settings.judge.mode,
        forecast=found,
        comparisons=_comparisons(bench, wanted),
    )


@dataclass
class _Asked:
    """What one judge would be asked: sizes of new questions, contents seen."""

    judge: OpenAIJudge
    place: JudgeEndpointSettings
    sizes: list[int] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


def _forecast(
    lake: Lake, settings: Settings, bench: Bench, gated: Gated, wanted: pl.DataFrame
) -> Forecast | None:
    """All judges of all features in one forecast; None when none of them costs anything."""
    asked: dict[str, _Asked] = {}
    for rows in gated.with_texts(wanted):
        for (feature,), mine in rows.group_by("feature", maintain_order=True):
            judges = bench.members_for(str(feature))
            for judge, place in zip(judges, [settings.judge, *settings.judge.panel], strict=False):
                if isinstance(judge, OpenAIJudge):
                    _ask(lake, asked.setdefault(judge.epoch.id, _Asked(judge, place)), mine)
    share = settings.judge.batch_price_share if settings.judge.mode == "batch" else 1.0
    left = Limits.of_run(settings.judge)
    total = None if bench.is_free else Forecast()
    for one in asked.values():
        found = forecast(
            one.sizes,
            contents=len(one.seen),
            max_tokens=settings.judge.max_tokens,
            prices=Prices.from_settings(one.place, share=share),
            limits=left,
            experience=experience(lake, one.judge.epoch.id),
        )
        left = left.less(found.expected)
        total = found if total is None else total + found
    return total


def _ask(lake: Lake, asked: _Asked, rows: pl.DataFrame) -> None:
    items = {item.content_hash: item for item in judge_items(rows) if item.content_hash not in asked.seen}
    asked.seen.update(items)
    known = known_contents(lake, asked.judge.epoch.id, items)
    asked.sizes += [asked.judge.question(item).size_bytes for key, item in items.items() if key not in known]


def _comparisons(bench: Bench, wanted: pl.DataFrame) -> int:
    """Calls that comparing rewrites of all failures would take."""
    if not bench.settings.rewrites:
        return 0
    failing = wanted.filter("failing").group_by("feature").len()
    return sum(2 * count * len(bench.compare_models_for(feature)) for feature, count in failing.iter_rows())


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
