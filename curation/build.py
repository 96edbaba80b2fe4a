"""The steps of the nightly build over pinned inputs: from interactions to the rows of a drop.

1. eligible: who and what may be learned from (no texts);
2. texts: those of the failures, of a random control and of accepted answers are fetched and made ready,
   bucket by bucket (`text_work`), here or as Ray tasks;
3. select: which failures, within caps (no texts);
4. confirm: the judge looks at them;
5. pairs and unpaired rows, bucket by bucket; gates on their final text; one row per content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import polars as pl

from contracts.settings import CurationSettings
from curation import candidates, gates, pairs
from curation.buckets import Buckets, bucket_count, fill, with_bucket
from curation.confirm import confirm, judge_all, judge_items, verdict_cost
from curation.dedupe import deduplicate
from curation.eligibility import eligible
from curation.engine import Engine
from curation.judge.base import Judge
from curation.judge.verdicts import Judgment, Spend, total_spent
from curation.selection import select, with_slices
from curation.self_approval import cap_self_approved
from curation.steps import Funnel
from curation.text_work import TextWork
from sinks.lake import Lake


class Progress(Protocol):
    """Told how far a part of the build is."""

    def __call__(self, part: str, done: int, total: int) -> None:
        """So much of the part is done."""


def silent(part: str, done: int, total: int) -> None:
    """No progress is shown."""


@dataclass(frozen=True)
class Sources:
    """What a build reads: a lake at pinned table versions, as of a time."""

    lake: Lake
    versions: Mapping[str, int]
    as_of: datetime


@dataclass(frozen=True)
class Workplace:
    """Where a build works: a folder for texts, an engine, a clock (seconds), somebody to tell."""

    scratch: Path
    engine: Engine
    clock: Callable[[], float]
    progress: Progress = silent


@dataclass(frozen=True)
class Gated:
    """Candidates that passed every gate before the judge.

    rows: without texts, with `bucket`. accepted: eligible rows whose answer users took, in the same form.
    """

    rows: pl.DataFrame
    accepted: pl.DataFrame
    texts: Buckets
    funnel: Funnel

    def with_texts(self, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Rows with their ready texts, a frame per bucket; rows whose texts were not wanted are left out."""
        for bucket in range(len(self.texts)):
            mine = rows.filter(pl.col("bucket") == bucket)
            ready = pl.read_parquet(self.texts.ready(bucket)).drop("session_id", "occurred_at")
            yield mine.join(ready, on="request_id", how="inner", maintain_order="left")


@dataclass(frozen=True, slots=True)
class Build:
    """Rows of a drop before publication, with everything refused on the way.

    `cost` is what its verdicts cost when they were made, `spent` what this run paid (cached ones nothing).
    """

    rows: pl.DataFrame
    funnel: Funnel
    cost: dict[str, float]
    spent: Spend
    blocks: dict[str, object] = field(default_factory=dict)


def gate_candidates(sources: Sources, settings: CurationSettings, place: Workplace) -> Gated:
    """Everything before the judge; writes texts to the workplace's scratch folder and nothing else."""
    lake, versions, as_of = sources.lake, sources.versions, sources.as_of
    funnel = Funnel(place.clock)
    funnel.start()
    rows = candidates.load_candidates(lake, versions, as_of)
    consents = candidates.load_consents(lake, versions, as_of)
    fit = with_slices(funnel.record(eligible(rows, consents, settings)), settings)
    del rows
    wanted = _with_text_wanted(fit)
    count = bucket_count(wanted.height)
    fit = with_bucket(fit, count)
    edits = candidates.last_edits(wanted, candidates.load_edits(lake, versions, as_of))
    texts = fill(lake, versions["requests"], with_bucket(wanted, count), edits, place.scratch, count)
    funnel.spend("texts")
    _make_ready(texts, place)
    funnel.spend("texts")
    fit = fit.join(edits.select("request_id", "edit_id"), on="request_id", how="left", maintain_order="left")
    chosen = funnel.record(select(fit, settings))
    return Gated(chosen, fit.filter(pairs.accepted_answer()), texts, funnel)


def _with_text_wanted(fit: pl.DataFrame) -> pl.DataFrame:
    """Rows whose texts may be needed: those of the slices, and answers taken in sessions with a failure."""
    wanted = pl.col("slice").is_not_null()
    failing = fit.filter(wanted)["session_id"].unique()
    taken = pairs.accepted_answer().fill_null(value=False) & pl.col("session_id").is_in(failing.implode())
    return fit.filter(wanted | taken)


def _make_ready(texts: Buckets, place: Workplace) -> None:
    places = [(texts.raw(bucket), texts.ready(bucket)) for bucket in range(len(texts))]
    done, total = 0, sum(texts.counts)
    for bucket, _ in enumerate(place.engine.map(TextWork(), places)):
        done += texts.counts[bucket]
        place.progress("reading texts", done, total)


def build(
    sources: Sources, settings: CurationSettings, judge: Judge, place: Workplace, *, now_us: int
) -> Build:
    """Run every step; writes nothing to the lake but verdicts (the judge's cache).

    `now_us` is the clock at which verdicts are made, UTC microseconds.
    """
    gated = gate_candidates(sources, settings, place)
    funnel = gated.funnel
    judgments = _judge(sources.lake, judge, gated, place, now_us)
    confirmed = funnel.record(confirm(gated.rows, judgments))
    made = funnel.record(deduplicate(_training_rows(gated, confirmed, settings), settings).result)
    final = funnel.record(cap_self_approved(made, settings))
    return Build(final, funnel, verdict_cost(judgments), total_spent(judgments))


def _judge(lake: Lake, judge: Judge, gated: Gated, place: Workplace, now_us: int) -> list[Judgment]:
    judgments: list[Judgment] = []
    total = gated.rows.height
    for rows in gated.with_texts(gated.rows):
        told = partial(_tell, place.progress, len(judgments), total)
        judgments += judge_all(lake, judge, judge_items(rows), judged_at_us=now_us, progress=told)
    return judgments


def _tell(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress("judging", before + done, total)


def _training_rows(gated: Gated, confirmed: pl.DataFrame, settings: CurationSettings) -> pl.DataFrame:
    """Pairs, then unpaired rows of what no pair uses, that pass the gates on final text."""
    # A pair's two requests are of one session, so they lie in one bucket.
    accepted = gated.accepted.join(confirmed, on="session_id", how="semi")
    made = pl.concat(
        pairs.made_from(failures, answers)
        for failures, answers in zip(
            gated.with_texts(confirmed.filter("failing")),
            gated.with_texts(accepted),
            strict=True,
        )
    )
    made = gated.funnel.record(gates.final_text("pairs", made, settings))
    paired = pl.concat([made["rejected_request_id"], made["chosen_request_id"]]).drop_nulls()
    rest = confirmed.filter(~pl.col("request_id").is_in(paired.implode()))
    single = pl.concat(map(pairs.unpaired_rows, gated.with_texts(rest)))
    single = gated.funnel.record(gates.final_text("unpaired", single, settings))
    return pl.concat([made, single])
