"""Gates on the final text of training rows."""

from __future__ import annotations

from typing import Final

import msgspec
import polars as pl

from contracts.chat import BROKEN_TOOL_CALLS, NON_TEXT_PARTS
from contracts.settings import CurationSettings
from contracts.turn_rules import (
    PROMPT_END,
    PROMPT_SHAPE,
    answers,
    calls_answered,
    holds_nul,
    is_empty,
    shape,
)
from curation.pairs import parse
from curation.steps import StepResult, gate

ROLES: Final = "roles_do_not_alternate"
EMPTY_TURN: Final = "empty_turn"
NUL_CHARACTER: Final = "nul_character"

_canonical = msgspec.json.Encoder(order="deterministic").encode


def _prompt(turns: str | None) -> tuple[str | None, bool, bool, bool]:
    """The shape of a prompt, whether its calls are not answered, whether one of its turns is empty, and
    whether it holds a NUL."""
    if turns is None:
        return None, False, False, False
    parsed = parse(turns)
    return shape(parsed), not calls_answered(parsed), any(map(is_empty, parsed)), holds_nul(parsed)


def _prompts(rows: pl.DataFrame) -> pl.DataFrame:
    """`_shape`, `_unanswered`, `_empty` and `_nul` of the prompts, in the order of the rows."""
    schema = {
        "_shape": pl.String(),
        "_unanswered": pl.Boolean(),
        "_empty": pl.Boolean(),
        "_nul": pl.Boolean(),
    }
    return pl.DataFrame(list(map(_prompt, rows["prompt"])), schema=schema, orient="row")


def _side(turns: str | None) -> tuple[bool, bool, bool, bool, str | None]:
    """Whether a side has several turns (or none), is not the assistant's, is blank, or holds a NUL;
    and a form of it that white space and the order of a call's arguments do not change."""
    if turns is None:
        return False, False, False, False, None
    parsed = parse(turns)
    words = [" ".join(turn["content"].split()) for turn in parsed]
    calls = [turn.get("tool_calls") for turn in parsed]
    blank = not any(words) and not any(calls)
    same = _canonical([[turn["role"] for turn in parsed], words, calls]).decode()
    return len(parsed) != 1, not answers(shape(parsed)), blank, holds_nul(parsed), same


def _sides(rows: pl.DataFrame) -> pl.DataFrame:
    """`_several`, `_strange`, `_blank`, `_odd` and `_same` of both sides, in the order of the rows."""
    flags = dict.fromkeys(("_several", "_strange", "_blank", "_odd"), pl.Boolean())
    schema = {**flags, "_same": pl.String()}
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
    `several_turns` (an answer of more than one turn), `roles_do_not_alternate` (turns that chat templates
    refuse, see `contracts.turn_rules`; a side that is not the assistant's), `empty_side`, `empty_turn` (of
    the prompt), `nul_character`, `identical_sides` (a tie; white space and the order of a call's arguments do
    not count), `edit_cosmetic`, `edit_opposite` and `edit_rewrite` (an
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
    rows = rows.with_columns(*_prompts(rows).get_columns(), *_sides(rows).get_columns())
    ends = pl.col("_shape").str.contains(PROMPT_END)
    alternate = pl.col("_shape").str.contains(PROMPT_SHAPE)
    result = gate(
        name,
        rows,
        [
            (BROKEN_TOOL_CALLS, (pl.col("turns_problem") == BROKEN_TOOL_CALLS) | pl.col("_unanswered")),
            (NON_TEXT_PARTS, pl.col("prompt").is_null() | side_missing),
            ("prompt_end", ~ends.fill_null(value=False)),
            ("several_turns", _either("_several")),
            (ROLES, ~alternate | _either("_strange")),
            ("empty_side", _either("_blank")),
            (EMPTY_TURN, pl.col("_empty")),
            (NUL_CHARACTER, pl.col("_nul") | _either("_odd")),
            ("identical_sides", pair & (pl.col("_same_chosen") == pl.col("_same_rejected"))),
            ("edit_cosmetic", edit & cosmetic),
            ("edit_opposite", edit & (pl.col("edit_class") == "opposite")),
            ("edit_rewrite", edit & rewrite),
        ],
        kind=pl.col("kind"),
        details={
            ROLES: pl.format("turns {}", "_shape"),
            **{
                reason: pl.format("edit ratio {}", pl.col("edit_ratio").round(3))
                for reason in ("edit_cosmetic", "edit_opposite", "edit_rewrite")
            },
        },
    )
    kept = result.kept.drop("^_(shape|unanswered|empty|nul|several|strange|blank|odd|same).*$")
    return StepResult(result.name, kept, result.refused, result.rows_in)
