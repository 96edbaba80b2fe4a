"""Judge-written improvements as pairs: the rewrite is the chosen side, the failing response the rejected one.

They are candidates only: text gates and the pairwise judge, in both orders, come after (`curation.compare`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from curation.judge.epoch import JudgeEpoch
from curation.judge.verdicts import Judgment
from curation.pairs import SIDE_COLUMNS, parse
from curation.turns import answer_turns

SOURCE: Final = "judge_rewrite"

REWRITES: Final = pl.Schema({"request_id": pl.String(), "rewrite": pl.String(), "rewrite_model": pl.String()})
"""The improved response a judge wrote for a request, and the model that wrote it."""


def rewrites_of(judgments: Sequence[Judgment], epochs: Mapping[str, JudgeEpoch]) -> pl.DataFrame:
    """Improvements (`REWRITES`) in verdicts of `fail`, one per request; `epochs`: id → epoch."""
    found = {
        j.request_id: (j.request_id, text, j.improved_by or epochs[j.epoch].model)
        for j in judgments
        if j.verdict is not None
        and j.verdict.verdict == "fail"
        and (text := (j.verdict.improved_response or "").strip())
    }
    return pl.DataFrame(list(found.values()), schema=REWRITES, orient="row")


def rewrite_pairs(failures: pl.DataFrame, rewrites: pl.DataFrame) -> pl.DataFrame:
    """One preference row per confirmed failure that has a rewrite and answered in words.

    `failures` are confirmed rows with their texts that no pair from people uses; `rewrites` as `rewrites_of`
    gives them. A response that calls tools, or is no plain text, gets none: a sentence is no better call.
    """
    rows = failures.join(rewrites, on="request_id", how="inner", maintain_order="left")
    rows = rows.filter(
        rows["response_turns"].map_elements(is_answer, return_dtype=pl.Boolean).fill_null(False)
    )
    return rows.select(
        *SIDE_COLUMNS,
        kind=pl.lit("preference"),
        pair_source=pl.lit(SOURCE),
        source_type=pl.lit("synthetic"),
        request_ids=pl.concat_list("request_id"),
        evidence_ids=pl.concat_list("signal_ids", "outcome_ids"),
        rejected_request_id=pl.col("request_id"),
        chosen_request_id=pl.lit(None, dtype=pl.String),
        chosen_model=pl.col("rewrite_model"),
        chosen_base_model=pl.lit(None, dtype=pl.String),
        prompt=pl.col("prompt_turns"),
        chosen=rows["rewrite"].map_elements(answer_turns, return_dtype=pl.String),
        rejected=pl.col("response_turns"),
        label=pl.lit(None, dtype=pl.Boolean),
    )


def is_answer(turns: str) -> bool:
    """Whether turns (JSON) are words only: text, and no tool calls."""
    return all(isinstance(turn.get("content"), str) and not turn.get("tool_calls") for turn in parse(turns))
