"""Gates on the final text of training rows."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from contracts.settings import CurationSettings
from curation.pairs import parse
from curation.steps import StepResult, gate

PROMPT_ENDS: Final = frozenset({"user", "tool"})


def _prompt_end(turns: str | None) -> str | None:
    parsed: list[dict[str, Any]] = parse(turns) if turns else []
    return parsed[-1]["role"] if parsed else None


def _is_blank(turns: str | None) -> bool:
    return turns is not None and not any(turn["content"].strip() for turn in parse(turns))


def _several(turns: str | None) -> bool:
    return turns is not None and len(parse(turns)) != 1


def _either(flag: str) -> pl.Expr:
    """Whether a flag holds for one of the sides."""
    chosen, rejected = pl.col(f"{flag}_chosen"), pl.col(f"{flag}_rejected")
    return chosen.fill_null(value=False) | rejected.fill_null(value=False)


def final_text(name: str, rows: pl.DataFrame, settings: CurationSettings) -> StepResult:
    """Refuse rows no trainer should see; `name` is the step in the funnel.

    Reasons: `non_text_parts` (tool calls, images: they would be lost), `prompt_end` (the prompt does
    not end with the user), `several_turns` (an answer of more than one turn), `empty_side`,
    `identical_sides` (a tie), `edit_cosmetic`, `edit_opposite` and `edit_rewrite` (an edit that corrects
    nothing, turns the statement round, or is a new text: see `joiners.edits`).
    """
    few = pl.col("edit_ratio") < settings.edit_ratio_min
    # Rows of a version that knew no classes go by the ratio alone.
    cosmetic = pl.when(pl.col("edit_class").is_null()).then(few).otherwise(pl.col("edit_class") == "cosmetic")
    rewrite = (pl.col("edit_ratio") > settings.edit_ratio_max) | (pl.col("edit_class") == "rewrite")
    edit = pl.col("pair_source") == "user_edit"
    pair = pl.col("kind") == "preference"
    side_missing = (
        pl.when(pair)
        .then(pl.col("chosen").is_null() | pl.col("rejected").is_null())
        .otherwise(pl.col("chosen").is_null() & pl.col("rejected").is_null())
    )
    rows = rows.with_columns(
        _end=rows["prompt"].map_elements(_prompt_end, return_dtype=pl.String),
        _several_chosen=rows["chosen"].map_elements(_several, return_dtype=pl.Boolean),
        _several_rejected=rows["rejected"].map_elements(_several, return_dtype=pl.Boolean),
        _blank_chosen=rows["chosen"].map_elements(_is_blank, return_dtype=pl.Boolean),
        _blank_rejected=rows["rejected"].map_elements(_is_blank, return_dtype=pl.Boolean),
    )
    result = gate(
        name,
        rows,
        [
            ("non_text_parts", pl.col("prompt").is_null() | side_missing),
            ("prompt_end", ~pl.col("_end").is_in(list(PROMPT_ENDS)).fill_null(value=False)),
            ("several_turns", _either("_several")),
            ("empty_side", _either("_blank")),
            ("identical_sides", pair & (pl.col("chosen") == pl.col("rejected"))),
            ("edit_cosmetic", edit & cosmetic),
            ("edit_opposite", edit & (pl.col("edit_class") == "opposite")),
            ("edit_rewrite", edit & rewrite),
        ],
        kind=pl.col("kind"),
        details={
            reason: pl.format("edit ratio {}", pl.col("edit_ratio").round(3))
            for reason in ("edit_cosmetic", "edit_opposite", "edit_rewrite")
        },
    )
    kept = result.kept.drop("^_(end|several|blank).*$")
    return StepResult(result.name, kept, result.refused, result.rows_in)
