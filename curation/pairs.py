"""Pairs: from confirmed failures and what users did about them to training rows.

- user edit: the edited text is preferred over the response;
- regenerate, then accept: the accepted answer is preferred over each answer to the same input that
  was regenerated before it;
- one-sided evidence: a confirmed failure without a better answer, or a confirmed good response,
  becomes an unpaired (KTO) row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec
import polars as pl

from contracts.chat import Turn
from curation.steps import StepResult, gate
from curation.turns import answer_turns as answer_turns

SIDE_COLUMNS: Final = (
    "session_id",
    "user_key",
    "occurred_at",
    "date",
    "feature",
    "slice",
    "failing",
    "safety",
    "inclusion_probability",
    "novelty",
    "failure_score",
    "score_version",
    "contributions",
    "fingerprint",
    "model",
    "base_model",
    "license",
    "consent_policy",
    "verdict",
    "verdict_source",
    "judge_epoch",
    "guideline_version",
    "edit_ratio",
    "edit_class",
    "tools",
    "turns_problem",
)
"""What a row takes over from its (failing) request."""

PREFERRED_SOURCES: Final = ("user_edit", "regenerate_accept", "judge_rewrite")
"""Where a better answer may come from, the best evidence first: what people wrote, what people took, what a
judge wrote."""

BEST_SOURCE: Final = "best_source"

SAME_INPUT: Final = ("session_id", "input_messages", "tools", "prompt_turns")
"""What the sides of a pair of two requests have in common."""


def made_from(failures: pl.DataFrame, accepted: pl.DataFrame) -> pl.DataFrame:
    """Every preference row that confirmed failures and accepted answers of the same sessions give."""
    return pl.concat([edit_pairs(failures), regenerate_pairs(failures, accepted)])


def edit_pairs(failures: pl.DataFrame) -> pl.DataFrame:
    """One preference row per confirmed failure whose user sent an edited text (the last one counts).

    `failures` are confirmed rows with the columns of `curation.text_work.READY_SCHEMA` and `edit_id`.
    """
    rows = failures.filter(pl.col("edit_text").is_not_null())
    return rows.select(
        *SIDE_COLUMNS,
        kind=pl.lit("preference"),
        pair_source=pl.lit("user_edit"),
        source_type=pl.lit("user_correction"),
        request_ids=pl.concat_list("request_id"),
        evidence_ids=pl.concat_list("edit_id"),
        rejected_request_id=pl.col("request_id"),
        chosen_request_id=pl.lit(None, dtype=pl.String),
        chosen_model=pl.lit(None, dtype=pl.String),
        chosen_base_model=pl.lit(None, dtype=pl.String),
        prompt=pl.col("prompt_turns"),
        chosen=pl.col("edit_turns"),
        rejected=pl.col("response_turns"),
        label=pl.lit(None, dtype=pl.Boolean),
    )


def regenerate_pairs(failures: pl.DataFrame, accepted: pl.DataFrame) -> pl.DataFrame:
    """One preference row per regenerated failure with a later accepted answer to the same input.

    `failures` are confirmed rows, `accepted` eligible rows, both with their texts. "Same input" means
    that the stored input messages are equal, that the same tools were offered, and that the prompts are equal
    with what tools answered before the last turn; the first accepted answer of the session after it counts.
    """
    good = accepted.filter(accepted_answer(), pl.col("response_turns").is_not_null()).select(
        *SAME_INPUT,
        chosen_at="occurred_at",
        chosen_id="request_id",
        chosen_turns="response_turns",
        chosen_signals="signal_ids",
        chosen_model="model",
        chosen_base_model="base_model",
    )
    rows = (
        failures.filter(pl.col("regenerate_count") + pl.col("retry_count") > 0)
        .filter(pl.col("prompt_turns").is_not_null())
        .join(good, on=SAME_INPUT, how="inner", nulls_equal=True)
        .filter(pl.col("chosen_at") >= pl.col("occurred_at"), pl.col("chosen_id") != pl.col("request_id"))
        .sort("request_id", "chosen_at", "chosen_id")
        .unique("request_id", keep="first", maintain_order=True)
    )
    return rows.select(
        *SIDE_COLUMNS,
        kind=pl.lit("preference"),
        pair_source=pl.lit("regenerate_accept"),
        source_type=pl.lit("production_log"),
        request_ids=pl.concat_list("request_id", "chosen_id"),
        evidence_ids=pl.concat_list("signal_ids", "chosen_signals"),
        rejected_request_id=pl.col("request_id"),
        chosen_request_id=pl.col("chosen_id"),
        chosen_model=pl.col("chosen_model"),
        chosen_base_model=pl.col("chosen_base_model"),
        prompt=pl.col("prompt_turns"),
        chosen=pl.col("chosen_turns"),
        rejected=pl.col("response_turns"),
        label=pl.lit(None, dtype=pl.Boolean),
    )


def accepted_answer() -> pl.Expr:
    """A response the user took: accepted, copied or praised, and neither edited away nor regenerated."""
    taken = (
        (pl.col("accept_count") > 0)
        | (pl.col("copy_count") > 0)
        | (pl.col("thumbs") > 0).fill_null(value=False)
    )
    dismissed = (
        (pl.col("regenerate_count") > 0)
        | (pl.col("undo_count") > 0)
        | (pl.col("report_count") > 0)
        | pl.col("has_edit")
    )
    return taken & ~dismissed


def unpaired_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """KTO rows of confirmed requests that no pair uses: failures (undesirable), good ones (desirable)."""
    return rows.select(
        *SIDE_COLUMNS,
        kind=pl.lit("unpaired"),
        pair_source=pl.lit("one_sided"),
        source_type=pl.lit("production_log"),
        request_ids=pl.concat_list("request_id"),
        evidence_ids=pl.concat_list("signal_ids", "outcome_ids"),
        rejected_request_id=pl.when("failing").then("request_id"),
        chosen_request_id=pl.when(~pl.col("failing")).then("request_id"),
        chosen_model=pl.when(~pl.col("failing")).then("model"),
        chosen_base_model=pl.when(~pl.col("failing")).then("base_model"),
        prompt=pl.col("prompt_turns"),
        chosen=pl.when(~pl.col("failing")).then("response_turns"),
        rejected=pl.when("failing").then("response_turns"),
        label=~pl.col("failing"),
    )


def best_source(rows: pl.DataFrame) -> StepResult:
    """Keep one pair per failing request, that of the best evidence (`PREFERRED_SOURCES`).

    rows: gated pairs with `rejected_request_id`, `pair_source`, `request_ids`, `kind` and `date`; of two from
    the same source the one whose chosen request has the smaller id stays. The others are refused with reason
    `better_evidence`, the detail naming the source that was preferred. Rows keep their order.
    """
    rank = pl.col("pair_source").replace_strict(
        {source: n for n, source in enumerate(PREFERRED_SOURCES)}, default=len(PREFERRED_SOURCES)
    )
    best = (
        rows.with_row_index("_row")
        .with_columns(_rank=rank)
        .sort(
            "_rank",
            pl.col("chosen_request_id").fill_null(""),
            pl.col("request_ids").list.join("\x1f"),
            "_row",
        )
        .with_columns(
            _first=pl.col("rejected_request_id").is_first_distinct(),
            _best=pl.col("pair_source").first().over("rejected_request_id"),
        )
        .sort("_row")
        .drop("_row", "_rank")
    )
    # A null names no request, so it is none's second pair.
    result = gate(
        BEST_SOURCE,
        best.with_columns(_second=~pl.col("_first") & pl.col("rejected_request_id").is_not_null()),
        [("better_evidence", pl.col("_second"))],
        kind=pl.col("kind"),
        details={"better_evidence": pl.format("a pair from {} is kept", "_best")},
    )
    return replace(result, kept=result.kept.drop("_first", "_best", "_second"))


def parse(turns: str) -> list[Turn]:
    """Chat turns from their JSON."""
    return msgspec.json.decode(turns, type=list[Turn])
