"""Gates on the final text of training rows."""

from __future__ import annotations

from typing import Final

import msgspec
import polars as pl

from contracts.chat import BROKEN_TOOL_CALLS, NON_TEXT_PARTS
from contracts.settings import CurationSettings
from curation.pairs import parse
from curation.steps import StepResult, gate

PROMPT_ENDS: Final = frozenset({"user", "tool"})

_canonical = msgspec.json.Encoder(order="deterministic").encode


def _prompt_end(turns: str) -> str | None:
    parsed = parse(turns)
    return parsed[-1]["role"] if parsed else None


def _side(turns: str | None) -> tuple[bool, bool, str | None]:
    """Whether a side has several turns (or none), whether it is blank, and a form of it that white space and
    the order of a call's arguments do not change."""
    if turns is None:
        return False, False, None
    parsed = parse(turns)
    words = [" ".join(turn["content"].split()) for turn in parsed]
    calls = [turn.get("tool_calls") for turn in parsed]
    blank = not any(words) and not any(calls)
    same = _canonical([[turn["role"] for turn in parsed], words, calls]).decode()
    return len(parsed) != 1, blank, same


def _sides(rows: pl.DataFrame) -> pl.DataFrame:
    """`_several`, `_blank` and `_same` of both sides, in the order of the rows."""
    schema = {"_several": pl.Boolean(), "_blank": pl.Boolean(), "_same": pl.String()}
    frames = [
        pl.DataFrame(list(map(_side, rows[side])), schema=schema, orient="row").select(
            pl.all().name.suffix(f"_{side}")
        )
        for side in ("chosen", "rejected")
    ]
    return pl.concat(frames, how="horizontal")


def _either(flag: str) -> pl.Expr:
    """Whether a flag holds for one of the sides."""
    return pl.col(f"{flag}_chosen") | pl.col(f"{flag}_rejected")


def final_text(name: str, rows: pl.DataFrame, settings: CurationSettings) -> StepResult:
    """Refuse rows no trainer should see; `name` is the step in the funnel.

    Reasons: `non_text_parts` (images, files: they would be lost), `broken_tool_calls` (calls and answers of
    tools that do not fit together), `prompt_end` (the prompt does not end with the user or a tool),
    `several_turns` (an answer of more than one turn), `empty_side`, `identical_sides` (a tie; white space and
    the order of a call's arguments do not count), `edit_cosmetic`, `edit_opposite` and `edit_rewrite` (an
    edit that corrects nothing, turns the statement round, or is a new text: see `joiners.edits`).
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
    end = rows["prompt"].map_elements(_prompt_end, return_dtype=pl.String).alias("_end")
    rows = rows.with_columns(end, *_sides(rows).get_columns())
    result = gate(
        name,
        rows,
        [
            (BROKEN_TOOL_CALLS, pl.col("turns_problem") == BROKEN_TOOL_CALLS),
            (NON_TEXT_PARTS, pl.col("prompt").is_null() | side_missing),
            ("prompt_end", ~pl.col("_end").is_in(list(PROMPT_ENDS)).fill_null(value=False)),
            ("several_turns", _either("_several")),
            ("empty_side", _either("_blank")),
            ("identical_sides", pair & (pl.col("_same_chosen") == pl.col("_same_rejected"))),
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
    kept = result.kept.drop("^_(end|several|blank|same).*$")
    return StepResult(result.name, kept, result.refused, result.rows_in)
