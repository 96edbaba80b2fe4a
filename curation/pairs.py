"""Pairs: from confirmed failures and what users did about them to training rows.

- user edit: the edited text is preferred over the response;
- regenerate, then accept: the accepted answer is preferred over each answer to the same input that
  was regenerated before it;
- one-sided evidence: a confirmed failure without a better answer, or a confirmed good response,
  becomes an unpaired (KTO) row.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import polars as pl

from contracts.messages import chat_turns, decode_messages, is_plain_text

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
)
"""What a row takes over from its (failing) request."""


def _turns(stored: str | None) -> str | None:
    """Plain chat turns of stored messages as JSON; None when parts other than text would be lost."""
    if stored is None:
        return None
    messages = decode_messages(stored)
    return msgspec.json.encode(chat_turns(messages)).decode() if is_plain_text(messages) else None


def answer_turns(text: str | None) -> str | None:
    """One assistant turn as JSON."""
    if text is None:
        return None
    return msgspec.json.encode([{"role": "assistant", "content": text}]).decode()


def with_turns(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `prompt_turns` and `response_turns` (JSON, null when not plain text)."""
    return rows.with_columns(
        prompt_turns=rows["input_messages"].map_elements(_turns, return_dtype=pl.String),
        response_turns=rows["output_messages"].map_elements(_turns, return_dtype=pl.String),
    )


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
        chosen=rows["edit_text"].map_elements(answer_turns, return_dtype=pl.String),
        rejected=pl.col("response_turns"),
        label=pl.lit(None, dtype=pl.Boolean),
    )


def regenerate_pairs(failures: pl.DataFrame, accepted: pl.DataFrame) -> pl.DataFrame:
    """One preference row per regenerated failure with a later accepted answer to the same input.

    `failures` are confirmed rows, `accepted` eligible rows, both with their texts. "Same input" means
    the stored input messages are equal; the first accepted answer of the session after it counts.
    """
    good = accepted.filter(accepted_answer()).select(
        "session_id",
        "input_messages",
        chosen_at="occurred_at",
        chosen_id="request_id",
        chosen_turns="response_turns",
        chosen_signals="signal_ids",
        chosen_model="model",
        chosen_base_model="base_model",
    )
    rows = (
        failures.filter(pl.col("regenerate_count") + pl.col("retry_count") > 0)
        .join(good, on=["session_id", "input_messages"], how="inner")
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


def parse(turns: str) -> list[dict[str, Any]]:
    """Chat turns from their JSON."""
    return msgspec.json.decode(turns, type=list[dict[str, Any]])
