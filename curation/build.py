"""The nightly build over pinned inputs: from interactions to the rows of a drop.

The gates before the judge are in `gating`. After them:

1. confirm: the judge of their feature looks at the candidates;
2. pairs of people, rewrites that the judge prefers, and unpaired rows (`training_rows`);
3. one row per content.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import polars as pl

from contracts.settings import Settings
from curation.bench_judging import Judged, judge_by_feature
from curation.confirm import confirm
from curation.contamination.rates import contamination
from curation.contamination.step import STAGE, contamination_step
from curation.dedupe import deduplicate
from curation.drop_rows import finished
from curation.example_sketches import sketch_rows
from curation.gating import Gated, gate_candidates
from curation.group_split import split_block
from curation.judge.authority import Authority
from curation.judge.bench import Bench
from curation.judge.panel_stats import panel_manifest
from curation.judge.verdicts import Spend, total_spent
from curation.judge_cost import cost_block, paid_for, so_far
from curation.judging import judge_items
from curation.label_snapshot import labels_manifest
from curation.length_bias import balance_lengths, length_bias
from curation.own_family import family_manifest, own_family, to_people
from curation.redaction.step import make_redactor
from curation.replay import Replay
from curation.safety import safety_flow
from curation.selection_manifest import selection_manifest
from curation.self_approval import cap_self_approved
from curation.sources import Progress, Sources, Workplace
from curation.steps import Funnel, StepResult
from curation.texts.embeddings import StaticEmbeddings
from curation.training_rows import Bar, training_rows
from curation.verdict_memory import Memory

log = logging.getLogger("tailrace.build")


@dataclass(frozen=True, slots=True)
class Build:
    """Rows of a drop before publication, with everything refused on the way.

    `sketches`: what later drops compare their rows with (`example_sketches`, without the drop's id).
    `blocks`: further parts of the manifest. `cost` is what its verdicts cost when they were made, `spent`
    what this run paid (cached ones nothing). `labels`: of people, that it was built with. `to_people`: rows
    refused that somebody should label.
    """

    rows: pl.DataFrame
    sketches: pl.DataFrame
    funnel: Funnel
    cost: dict[str, Any]
    spent: Spend
    labels: dict[str, Any]
    to_people: pl.DataFrame
    blocks: dict[str, object] = field(default_factory=dict)


def build(
    sources: Sources,
    everything: Settings,
    bench: Bench,
    place: Workplace,
    *,
    power: Authority,
    memory: Memory | Replay,
) -> Build:
    """Run every step; writes nothing to the lake but verdicts (the judge's cache).

    `power` says how far judges decide. `memory`: of what judges said, to ask for the rest, or of what they
    said when the drop was built.
    """
    settings = everything.curation
    gated = gate_candidates(sources, everything, place)
    funnel = gated.funnel
    wanted = funnel.record(own_family(gated.rows, bench))
    judged = _judge(memory, bench, gated, wanted, place)
    confirmation = confirm(wanted, judged.judgments, power)
    confirmed = funnel.record(confirmation)
    bar = Bar(bench, power, settings, make_redactor(everything.privacy), memory)
    training = training_rows(sources, gated, confirmed, judged.judgments, bar, place)
    rows = funnel.record(_uncontaminated(training.rows, gated, sources.released))
    once = deduplicate(rows, settings, sources.sketches())
    balanced = funnel.record(balance_lengths(funnel.record(once.result), settings))
    capped = funnel.record(cap_self_approved(balanced, settings))
    final = finished(capped, everything, sources.as_of)
    return Build(
        rows=final,
        sketches=sketch_rows(final, once.result.kept["example_id"], once.sketches, StaticEmbeddings.load()),
        funnel=funnel,
        cost=cost_block(paid_for(judged.judgments), training.cost, examples=final.height),
        spent=total_spent(judged.judgments) + training.spent,
        labels=labels_manifest(power.gold, wanted["request_id"]),
        to_people=pl.concat([to_people(gated.rows, wanted, bench), confirmation.to_people]),
        blocks={
            "selection": selection_manifest(final, settings),
            "splits": split_block(final, settings),
            "length_bias": length_bias(final, settings),
            "safety": safety_flow(gated.eligible, final, funnel.refused()),
            "redaction": gated.redaction,
            "contamination": contamination(funnel.refused(), sources.evals, gated.rows.height),
            "judge_family": family_manifest(gated.rows, wanted, final),
            **training.blocks,
            **({"panel": panel_manifest(judged.votes)} if judged.votes else {}),
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
    memory: Memory | Replay, bench: Bench, gated: Gated, wanted: pl.DataFrame, place: Workplace
) -> Judged:
    judged = Judged()
    if unknown := bench.unknown_features(gated.eligible["feature"].unique()):
        log.warning("judge.rubrics names features that no request has: %s", ", ".join(unknown))
    frames: Iterable[pl.DataFrame] = gated.with_texts(wanted)
    if bench.settings.mode == "batch":
        # Every bucket by itself would wait for a batch of its own, one after the other.
        frames = [pl.concat(frames)]
    for rows in frames:
        told = partial(_tell, place.progress, bench, len(judged.judgments), wanted.height)
        features = rows["feature"].to_list()
        judged.add(judge_by_feature(memory, bench, judge_items(rows), features, progress=told))
    return judged


def _tell(progress: Progress, bench: Bench, before: int, total: int, done: int, _: int) -> None:
    progress(f"judging{so_far(bench.spent)}", before + done, total)
