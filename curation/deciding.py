"""What is decided about candidates: by people, by judges as far as trusted, or by the evidence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from curation.judge.authority import Authority
from curation.judge.panel import PANEL_SPLIT
from curation.judge.rules import decide
from curation.judge.trust import Trust
from curation.judge.verdicts import Evidence, Judgment

JUDGE: Final = "judge"
EVIDENCE: Final = "evidence"
HUMAN: Final = "human"

_VERDICTS: Final = pl.Schema(
    {
        "request_id": pl.String(),
        "judge_epoch": pl.String(),
        "judged": pl.String(),
        "failure_kind": pl.String(),
        "severity": pl.Int32(),
        "improved_response": pl.String(),
        "unjudged": pl.String(),
    }
)


def decided(
    rows: pl.DataFrame, judgments: Sequence[Judgment], authority: Authority | None = None
) -> pl.DataFrame:
    """Candidate rows with the verdict that counts, who vouches for it, and why it is refused, if it is.

    Adds `verdict`, `failure_kind`, `severity`, `improved_response`, `verdict_source` (human, judge or
    evidence), `judge_epoch`, `guideline_version`; and of the judge `judged` (its word), `reason` (null: goes
    on) and `detail`. A failing row must have the verdict `fail` and any other `pass`.

    1. A gold label is the verdict, whatever a judge says.
    2. A judge that may not decide alone counts where the evidence says the same, which then vouches for it.
    3. Without ``authority`` every judge decides.
    """
    marked = rows.join(_verdicts(judgments), on="request_id", how="left", maintain_order="left")
    marked = _with_gold(_with_trust(marked, authority), authority)
    wanted = pl.when("failing").then(pl.lit("fail")).otherwise(pl.lit("pass"))
    by_people = pl.col("gold_label").is_not_null()
    seconded = pl.col("judged") == pl.col("evidence_verdict")
    marked = marked.with_columns(
        verdict=pl.coalesce("gold_label", "judged"),
        failure_kind=pl.when(~by_people).then("failure_kind").otherwise(_kind_by_people()),
        severity=pl.when(~by_people | (pl.col("gold_label") == pl.col("judged"))).then("severity"),
        verdict_source=pl.when(by_people)
        .then(pl.lit(HUMAN))
        .when(pl.col("alone") & ~pl.col("evidence_only"))
        .then(pl.lit(JUDGE))
        .otherwise(pl.lit(EVIDENCE)),
        reason=pl.when(by_people)
        .then(pl.when(pl.col("gold_label") != wanted).then(pl.lit("gold_disagrees")))
        .when(pl.col("unjudged") == PANEL_SPLIT)
        .then(pl.lit(PANEL_SPLIT))
        .when(pl.col("judged").is_null())
        .then(pl.format("unjudged_{}", pl.col("unjudged").fill_null("missing")))
        .when(pl.col("judged") == "unsure")
        .then(pl.lit("judge_unsure"))
        .when(~pl.col("alone") & ~seconded.fill_null(value=False))
        .then("distrust")
        .when(pl.col("judged") != wanted)
        .then(pl.lit("judge_disagrees")),
        detail=pl.format(
            "slice {}{}{}",
            pl.col("slice"),
            _told("judge", pl.col("judged")),
            _told("evidence", pl.col("evidence_verdict")),
        ),
    )
    return marked.drop("gold_label", "gold_kind", "alone", "evidence_only", "distrust", "evidence_verdict")


def _told(who: str, word: pl.Expr) -> pl.Expr:
    return pl.when(word.is_not_null()).then(pl.format(f", {who}: {{}}", word)).otherwise(pl.lit(""))


def _kind_by_people() -> pl.Expr:
    """The kind people named; the judge's where they named none and the two agree that it failed."""
    failed = pl.col("gold_label") == "fail"
    agreed = failed & (pl.col("judged") == "fail")
    return pl.when(failed).then(pl.coalesce("gold_kind", pl.when(agreed).then("failure_kind")))


def _verdicts(judgments: Sequence[Judgment]) -> pl.DataFrame:
    columns = [
        (
            j.request_id,
            j.epoch,
            j.verdict.verdict if j.verdict else None,
            str(j.verdict.failure_kind) if j.verdict and j.verdict.failure_kind else None,
            j.verdict.severity if j.verdict else None,
            j.verdict.improved_response if j.verdict else None,
            PANEL_SPLIT if j.detail == PANEL_SPLIT else str(j.reason) if j.reason else None,
        )
        for j in judgments
    ]
    return pl.DataFrame(columns, schema=_VERDICTS, orient="row")


def _with_trust(rows: pl.DataFrame, authority: Authority | None) -> pl.DataFrame:
    """`alone`, `evidence_only` and `distrust` of the row's epoch; `evidence_verdict` where it is needed."""
    epochs = rows["judge_epoch"].drop_nulls().unique().to_list()
    trust: dict[str, Trust] = {e: _trust(authority, e) for e in epochs}

    def of(name: str, values: Mapping[str, object], dtype: pl.DataType) -> pl.Expr:
        column = pl.col("judge_epoch")
        return column.replace_strict(values, default=None, return_dtype=dtype).alias(name)

    rows = rows.with_columns(
        of("alone", {e: t.alone for e, t in trust.items()}, pl.Boolean()).fill_null(value=False),
        of("evidence_only", {e: t.evidence_only for e, t in trust.items()}, pl.Boolean()).fill_null(
            value=False
        ),
        of("distrust", {e: t.reason for e, t in trust.items()}, pl.String()),
    )
    if authority is None or all(t.alone for t in trust.values()):
        return rows.with_columns(evidence_verdict=pl.lit(None, dtype=pl.String))
    asked = (~rows["alone"] & ~rows["evidence_only"] & rows["judged"].is_not_null()).to_list()
    words = [
        decide(Evidence.from_interaction(row), authority.thresholds).verdict if ask else None
        for ask, row in zip(asked, rows.iter_rows(named=True), strict=True)
    ]
    return rows.with_columns(evidence_verdict=pl.Series(words, dtype=pl.String))


def _trust(authority: Authority | None, epoch: str) -> Trust:
    return authority.in_epoch(epoch) if authority else Trust(epoch=epoch, judge="", alone=True)


def _with_gold(rows: pl.DataFrame, authority: Authority | None) -> pl.DataFrame:
    labels = authority.gold.labels if authority else {}
    mine = [labels.get(request) for request in rows["request_id"]]
    return rows.with_columns(
        gold_label=pl.Series([g and g.label for g in mine], dtype=pl.String),
        gold_kind=pl.Series([g and g.failure_kind and str(g.failure_kind) for g in mine], dtype=pl.String),
        guideline_version=pl.Series([g and g.guideline_version for g in mine], dtype=pl.String),
    )
