"""From confirmed requests to training rows.

1. pairs that people's actions make, through the gates on final text;
2. rewrites of failures that have none, redacted, through the same gates and the contamination gate;
3. the pairwise judge compares: rewrites stay when it prefers them in both orders;
4. unpaired rows of what no pair uses, through the gates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from curation import gates, pairs
from curation.compare import Compared, compare, without_comparison
from curation.compare_manifest import compare_manifest, comparison_cost
from curation.contamination.step import contamination_step
from curation.judge.authority import Authority
from curation.judge.bench import Bench
from curation.judge.verdicts import MAY_PASS, Judgment, Spend
from curation.judge_cost import so_far
from curation.redaction import Redactor
from curation.redaction.step import redact_turns
from curation.replay import Replay
from curation.rewrites import rewrite_pairs, rewrites_of
from curation.steps import StepResult, gate
from curation.verdict_memory import Memory

if TYPE_CHECKING:
    from contracts.settings import CurationSettings
    from curation.gating import Gated
    from curation.sources import Sources, Workplace

REWRITE_TRUST: Final = "rewrite_trust"
REWRITE_CONTAMINATION: Final = "rewrite_contamination"


@dataclass(frozen=True)
class Bar:
    """What rows are made by: the judges and how far they decide, the settings, the redactor (None: nothing is
    redacted), and what the judges remember."""

    bench: Bench
    power: Authority
    settings: CurationSettings
    redactor: Redactor | None
    memory: Memory | Replay


@dataclass
class Training:
    """Rows of both kinds, and what comparing them came to.

    blocks: parts of the manifest. cost: what verdicts on comparisons cost when they were made; spent: what
    this run paid. redactions: spans replaced in rewrites, by kind.
    """

    rows: pl.DataFrame
    blocks: dict[str, Any] = field(default_factory=dict)
    cost: Spend = field(default_factory=Spend)
    spent: Spend = field(default_factory=Spend)


def training_rows(
    sources: Sources,
    gated: Gated,
    confirmed: pl.DataFrame,
    judgments: Sequence[Judgment],
    bar: Bar,
    place: Workplace,
) -> Training:
    """Every training row that confirmed requests give, with `judge_preference` and `margin` where compared.

    confirmed: rows the judge agreed on, with `judge_family_match`; judgments: those of all rows.
    """
    made = _peoples_pairs(gated, confirmed)
    made = gated.funnel.record(gates.final_text("pairs", made, bar.settings))
    made = gated.funnel.record(pairs.best_source(made))
    training, waiting = Training(without_comparison(made)), pl.Series(dtype=pl.String)
    if bar.bench.compares:
        redactions: Counter[str] = Counter()
        rewritten = _rewritten(sources, gated, _unused(confirmed, made), judgments, bar, redactions)
        both = pl.concat([made, rewritten], how="diagonal")
        told = partial(_tell, place, bar.bench)
        compared = compare(bar.memory, bar.bench, both, progress=told)
        gated.funnel.record(compared.result)
        waiting = _waiting(compared.result.refused)
        training = _compared(both, compared, bar.bench, redactions)
    left = _unused(confirmed, training.rows).filter(~pl.col("request_id").is_in(waiting.implode()))
    single = pl.concat(map(pairs.unpaired_rows, gated.with_texts(left)))
    single = gated.funnel.record(gates.final_text("unpaired", single, bar.settings))
    rows = pl.concat([training.rows, without_comparison(single)], how="diagonal")
    training.rows = _marked(rows, confirmed)
    return training


def _tell(place: Workplace, bench: Bench, done: int, total: int) -> None:
    place.progress(f"comparing{so_far(bench.spent)}", done, total)


def _peoples_pairs(gated: Gated, confirmed: pl.DataFrame) -> pl.DataFrame:
    # A pair's two requests are of one session, so they lie in one bucket.
    accepted = gated.accepted.join(confirmed, on="session_id", how="semi")
    return pl.concat(
        pairs.made_from(failures, answers)
        for failures, answers in zip(
            gated.with_texts(confirmed.filter("failing")),
            gated.with_texts(accepted),
            strict=True,
        )
    )


def _unused(confirmed: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """Confirmed rows that are no side of a pair."""
    used = pl.concat([made["rejected_request_id"], made["chosen_request_id"]]).drop_nulls()
    return confirmed.filter(~pl.col("request_id").is_in(used.implode()))


def _waiting(refused: pl.DataFrame) -> pl.Series:
    """Failures whose rewrite could not be compared this time.

    They make no unpaired row either: in a drop they would not be met again, and the rewrite would be lost.
    """
    later = pl.col("reason").is_in([f"unjudged_{reason}" for reason in MAY_PASS])
    return refused.filter(later).select(pl.col("request_ids").list.first())["request_ids"]


def _rewritten(
    sources: Sources,
    gated: Gated,
    unused: pl.DataFrame,
    judgments: Sequence[Judgment],
    bar: Bar,
    redactions: Counter[str],
) -> pl.DataFrame:
    """Rewrites of confirmed failures as pairs that passed the gates; not compared yet."""
    rewrites = rewrites_of(judgments, bar.bench.epochs())
    failures = unused.filter("failing").join(rewrites, on="request_id", how="semi", maintain_order="left")
    if not bar.bench.settings.rewrites or failures.is_empty():
        failures = failures.clear()
    failures = gated.funnel.record(_trusted(failures, bar.power))
    found = []
    for rows in gated.with_texts(failures):
        made = rewrite_pairs(rows, rewrites)
        # What a judge wrote may hold personal data that was in none of the texts it saw.
        if bar.redactor is not None and made.height:
            redaction = redact_turns(made, bar.redactor)
            made = redaction.rows
            redactions += redaction.counts
        found.append(made)
    kept = gated.funnel.record(gates.final_text("rewrites", pl.concat(found), bar.settings))
    return gated.funnel.record(_uncontaminated(kept, sources, gated))


def _trusted(failures: pl.DataFrame, power: Authority) -> StepResult:
    """Only what a judge writes that may decide alone becomes a pair: no evidence can second a text."""
    epochs = failures["judge_epoch"].unique().to_list()
    distrust = {epoch: power.in_epoch(epoch).reason for epoch in epochs}
    reason = pl.col("judge_epoch").replace_strict(distrust, return_dtype=pl.String)
    reasons = [(why, reason == why) for why in sorted({r for r in distrust.values() if r is not None})]
    return gate(REWRITE_TRUST, failures, reasons, kind="preference")


def _uncontaminated(rows: pl.DataFrame, sources: Sources, gated: Gated) -> StepResult:
    """The contamination gate before comparing, so that a refused rewrite leaves its failure unpaired."""
    result = contamination_step(rows, gated.index, sources.released)
    refused = result.refused.with_columns(stage=pl.lit(REWRITE_CONTAMINATION))
    return replace(result, name=REWRITE_CONTAMINATION, refused=refused)


def _compared(rows: pl.DataFrame, compared: Compared, bench: Bench, redactions: Counter[str]) -> Training:
    block = compare_manifest(rows, compared, bench)
    block["rewrites"]["redacted_spans"] = dict(sorted(redactions.items()))
    return Training(
        compared.result.kept,
        blocks={"pairwise": block},
        cost=comparison_cost(compared, bench),
        spent=compared.spent,
    )


def _marked(rows: pl.DataFrame, confirmed: pl.DataFrame) -> pl.DataFrame:
    """Rows with `judge_family_match` of verdict or comparison."""
    matched = confirmed.filter("judge_family_match")["request_id"]
    own = pl.coalesce("rejected_request_id", "chosen_request_id").is_in(matched.implode())
    return rows.with_columns(
        judge_family_match=own | pl.col("compare_family_match").fill_null(value=False),
    ).drop("compare_family_match", "compare_unjudged")
