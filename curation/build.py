"""The nightly build over pinned inputs: from interactions to the rows of a drop.

The gates before the judge are in `gating`. After them:

1. confirm: the judge looks at the candidates;
2. pairs and unpaired rows, bucket by bucket; gates on their final text; one row per content.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import polars as pl

from contracts.settings import CurationSettings, Settings
from curation import gates, pairs
from curation.confirm import confirm
from curation.contamination.rates import contamination
from curation.contamination.step import STAGE, contamination_step
from curation.dedupe import deduplicate
from curation.example_sketches import sketch_rows
from curation.gating import Gated, gate_candidates
from curation.judge.base import Judge
from curation.judge.verdicts import Judgment, Spend, total_spent
from curation.judge_cost import cost_block, paid_for
from curation.judging import judge_all, judge_items
from curation.safety import safety_flow
from curation.selection_manifest import selection_manifest
from curation.self_approval import cap_self_approved
from curation.sources import Progress, Sources, Workplace
from curation.steps import Funnel, StepResult
from curation.texts.embeddings import StaticEmbeddings
from sinks.judge_journal import FOLDER, JudgeJournal
from sinks.judgments import JudgmentIndex
from sinks.lake import Lake


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
    cost: dict[str, Any]
    spent: Spend
    blocks: dict[str, object] = field(default_factory=dict)


def build(sources: Sources, everything: Settings, judge: Judge, place: Workplace, *, now_us: int) -> Build:
    """Run every step; writes nothing to the lake but verdicts (the judge's cache).

    `now_us` is the clock at which verdicts are made, UTC microseconds.
    """
    settings = everything.curation
    gated = gate_candidates(sources, everything, place)
    funnel = gated.funnel
    with JudgeJournal(everything.home / FOLDER) as journal:
        judgments = _judge(sources.lake, judge, journal, gated, place, now_us)
    confirmed = funnel.record(confirm(gated.rows, judgments))
    rows = funnel.record(_uncontaminated(_training_rows(gated, confirmed, settings), gated, sources.released))
    once = deduplicate(rows, settings, sources.sketches())
    final = funnel.record(cap_self_approved(funnel.record(once.result), settings))
    return Build(
        rows=final,
        sketches=sketch_rows(final, once.result.kept["example_id"], once.sketches, StaticEmbeddings.load()),
        funnel=funnel,
        cost=cost_block(paid_for(judgments), Spend(), examples=final.height),
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


def _judge(
    lake: Lake, judge: Judge, journal: JudgeJournal, gated: Gated, place: Workplace, now_us: int
) -> list[Judgment]:
    judgments: list[Judgment] = []
    total = gated.rows.height
    index = JudgmentIndex(lake)
    for rows in gated.with_texts(gated.rows):
        told = partial(_tell, place.progress, len(judgments), total)
        items = judge_items(rows)
        judgments += judge_all(
            lake, judge, items, judged_at_us=now_us, journal=journal, index=index, progress=told
        )
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
