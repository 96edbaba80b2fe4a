"""The steps of the nightly build over pinned inputs: from interactions to the rows of a drop.

1. eligible: who and what may be learned from (no texts);
2. texts: those of the failures, of a random control and of accepted answers are fetched and made ready,
   bucket by bucket (`text_work`), here or as Ray tasks;
3. select: which failures, within caps (no texts);
4. contamination: nothing of a registered eval set;
5. confirm: the judge looks at them;
6. pairs and unpaired rows, bucket by bucket; gates on their final text; one row per content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from contracts.errors import TerminalError
from contracts.settings import CurationSettings, Settings
from curation import candidates, gates, pairs
from curation.buckets import Buckets, bucket_count, fill, with_bucket
from curation.confirm import confirm, judge_all, judge_items, verdict_cost
from curation.contamination.index import ContaminationIndex
from curation.contamination.rates import contamination
from curation.contamination.step import STAGE, contamination_step
from curation.contamination.traffic import load_index
from curation.dedupe import deduplicate
from curation.eligibility import eligible
from curation.engine import Engine
from curation.example_sketches import sketch_rows
from curation.judge.base import Judge
from curation.judge.verdicts import Judgment, Spend, total_spent
from curation.novelty import Whole, reference
from curation.redaction import Redactor
from curation.redaction.step import make_redactor
from curation.safety import safety_flow
from curation.selection import select, with_slices
from curation.selection_manifest import selection_manifest
from curation.self_approval import cap_self_approved
from curation.steps import Funnel, StepResult
from curation.text_work import TextResult, TextWork
from curation.texts.embeddings import StaticEmbeddings
from sinks.evals import active_sets
from sinks.lake import Lake
from sinks.quarantine import released


class Progress(Protocol):
    """Told how far a part of the build is."""

    def __call__(self, part: str, done: int, total: int) -> None:
        """So much of the part is done."""


def silent(part: str, done: int, total: int) -> None:
    """No progress is shown."""


@dataclass(frozen=True)
class Sources:
    """What a build reads: a lake at pinned table versions, as of a time.

    evals: the eval sets in force (rows of `eval_sets`). released: quarantine ids that people let pass.
    earlier: drops of the same channel with an earlier as-of time: what they hold is not new.
    """

    lake: Lake
    versions: Mapping[str, int]
    as_of: datetime
    evals: pl.DataFrame
    released: frozenset[str]
    earlier: tuple[str, ...]

    @classmethod
    def pin(cls, lake: Lake, channel: str, as_of: datetime | None = None) -> Sources:
        """The lake now, as of a time or its newest event; raises `TerminalError` when it is empty."""
        versions = candidates.pin_inputs(lake)
        as_of = as_of or candidates.latest_event(lake, versions)
        if as_of is None:
            raise TerminalError(
                "the lake holds no interactions yet",
                hint="Send events (`tailrace simulate`, `tailrace replay`) and run `tailrace worker` first.",
            )
        before = lake.scan("drops").filter(pl.col("channel") == channel, pl.col("as_of") < as_of)
        earlier = tuple(before.select("drop_id").collect()["drop_id"].sort())
        return cls(lake, versions, as_of, active_sets(lake), released(lake), earlier)

    def sketches(self) -> pl.LazyFrame:
        """What the earlier drops left of their rows (`example_sketches`)."""
        rows = self.lake.scan("example_sketches")
        return rows.filter(pl.col("drop_id").is_in(list(self.earlier)))


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
    index: the eval sets in force. eligible: request ids that passed the first gate, and their `safety`.
    redaction: what was redacted, for the manifest.
    """

    rows: pl.DataFrame
    eligible: pl.DataFrame
    accepted: pl.DataFrame
    texts: Buckets
    index: ContaminationIndex
    redaction: dict[str, object]
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

    `sketches`: what later drops compare their rows with (`example_sketches`, without the drop's id).
    `blocks`: further parts of the manifest. `cost` is what its verdicts cost when they were made, `spent`
    what this run paid (cached ones nothing).
    """

    rows: pl.DataFrame
    sketches: pl.DataFrame
    funnel: Funnel
    cost: dict[str, float]
    spent: Spend
    blocks: dict[str, object] = field(default_factory=dict)


def gate_candidates(sources: Sources, everything: Settings, place: Workplace) -> Gated:
    """Everything before the judge; writes texts to the workplace's scratch folder and nothing else."""
    settings, redactor = everything.curation, make_redactor(everything.privacy)
    lake, versions, as_of = sources.lake, sources.versions, sources.as_of
    funnel = Funnel(place.clock)
    funnel.start()
    more = ["attributes"] if settings.safety_attributes else []
    rows = candidates.load_candidates(lake, versions, as_of, more)
    consents = candidates.load_consents(lake, versions, as_of)
    fit = funnel.record(eligible(rows, consents, settings))
    del rows
    fit = with_slices(_in_earlier_drop(fit, sources), settings)
    wanted = _with_text_wanted(fit)
    count = bucket_count(wanted.height)
    fit = with_bucket(fit, count)
    edits = candidates.last_edits(wanted, candidates.load_edits(lake, versions, as_of, settings.actors))
    texts = fill(lake, versions["requests"], with_bucket(wanted, count), edits, place.scratch, count)
    funnel.spend("texts")
    index = load_index(lake, sources.evals, versions, as_of)
    funnel.spend("contamination")
    known = known_prompts(sources, settings)
    funnel.spend("select")
    found = _make_ready(texts, TextWork(index, known, redactor), place)
    funnel.start()
    funnel.add(found.seconds)
    fit = fit.join(edits.select("request_id", "edit_id"), on="request_id", how="left", maintain_order="left")
    fit = fit.join(found.novelty, on="request_id", how="left", maintain_order="left")
    chosen = funnel.record(select(fit, settings))
    chosen = funnel.record(
        contamination_step(chosen, index, sources.released, hits=_numbered(found.hits, chosen))
    )
    return Gated(
        rows=chosen,
        eligible=fit.select("request_id", "safety"),
        accepted=fit.filter(pairs.accepted_answer()),
        texts=texts,
        index=index,
        redaction=redaction(redactor, found, wanted.height),
        funnel=funnel,
    )


def redaction(redactor: Redactor | None, found: TextResult, rows: int) -> dict[str, object]:
    """The manifest's `redaction`: spans replaced by kind in all texts read, never what was there."""
    if redactor is None:
        return {"version": None}
    return {
        "version": redactor.transform,
        "rows_read": rows,
        "rows_redacted": found.redacted_rows,
        "spans": dict(sorted(found.redactions.items())),
    }


def _in_earlier_drop(fit: pl.DataFrame, sources: Sources) -> pl.DataFrame:
    """Rows marked with whether they made a row of an earlier drop."""
    examples = sources.lake.scan("examples").filter(pl.col("drop_id").is_in(list(sources.earlier)))
    # Near duplicates of a row are held by it: selected again, they would be refused again every night.
    ids = pl.col("request_ids").list.concat(pl.col("cluster_request_ids").fill_null([]))
    held = examples.select(request_ids=ids.explode()).unique().collect()["request_ids"]
    return fit.with_columns(in_earlier_drop=pl.col("request_id").is_in(held.implode()))


def known_prompts(sources: Sources, settings: CurationSettings) -> Whole | None:
    """The prompts of earlier drops that novelty is measured against; None when there are none."""
    if not sources.earlier or not settings.novelty_reference:
        return None
    return reference(
        sources.sketches(), StaticEmbeddings.load(), size=settings.novelty_reference, seed=settings.seed
    )


def _numbered(hits: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Hits whose key is the number of the row instead of its request id."""
    numbers = rows.select(key="request_id", number=pl.int_range(pl.len()).cast(pl.String))
    return hits.join(numbers, on="key", how="inner").with_columns(key="number").select(hits.columns)


def _with_text_wanted(fit: pl.DataFrame) -> pl.DataFrame:
    """Rows whose texts may be needed: those of the slices, and answers taken in sessions with one of them."""
    wanted = pl.col("slice").is_not_null()
    sessions = fit.filter(wanted)["session_id"].unique()
    taken = pairs.accepted_answer().fill_null(value=False) & pl.col("session_id").is_in(sessions.implode())
    return fit.filter(wanted | taken)


def _make_ready(texts: Buckets, work: TextWork, place: Workplace) -> TextResult:
    """Do the work on every bucket; what it found in all of them, and the time it took."""
    places = [(texts.raw(bucket), texts.ready(bucket)) for bucket in range(len(texts))]
    done, total = 0, sum(texts.counts)
    found = TextResult()
    hits, novelty = [found.hits], [found.novelty]
    for bucket, result in enumerate(place.engine.map(work, places)):
        hits.append(result.hits)
        novelty.append(result.novelty)
        found.add_counts(result)
        done += texts.counts[bucket]
        place.progress("reading texts", done, total)
    found.hits, found.novelty = pl.concat(hits), pl.concat(novelty)
    return found


def build(sources: Sources, everything: Settings, judge: Judge, place: Workplace, *, now_us: int) -> Build:
    """Run every step; writes nothing to the lake but verdicts (the judge's cache).

    `now_us` is the clock at which verdicts are made, UTC microseconds.
    """
    settings = everything.curation
    gated = gate_candidates(sources, everything, place)
    funnel = gated.funnel
    judgments = _judge(sources.lake, judge, gated, place, now_us)
    confirmed = funnel.record(confirm(gated.rows, judgments))
    rows = funnel.record(_uncontaminated(_training_rows(gated, confirmed, settings), gated, sources.released))
    once = deduplicate(rows, settings, sources.sketches())
    final = funnel.record(cap_self_approved(funnel.record(once.result), settings))
    return Build(
        rows=final,
        sketches=sketch_rows(final, once.result.kept["example_id"], once.sketches, StaticEmbeddings.load()),
        funnel=funnel,
        cost=verdict_cost(judgments),
        spent=total_spent(judgments),
        blocks={
            "selection": selection_manifest(final, settings),
            "safety": safety_flow(gated.eligible, final, funnel.refused()),
            "redaction": gated.redaction,
            "contamination": contamination(funnel.refused(), sources.evals, gated.rows.height),
        },
    )


FINAL_CONTAMINATION: Final = f"final_{STAGE}"


def _uncontaminated(rows: pl.DataFrame, gated: Gated, released: frozenset[str]) -> StepResult:
    """The contamination gate again, on the texts as they will be published: answers of other requests have
    come in, and a judge may have written some."""
    result = contamination_step(rows, gated.index, released)
    refused = result.refused.with_columns(stage=pl.lit(FINAL_CONTAMINATION))
    return replace(result, name=FINAL_CONTAMINATION, refused=refused)


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
