"""The rules, by kind of file: conditions on the facts of its columns under which a row is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from contracts.turn_rules import ANSWER_SHAPE, PROMPT_END, PROMPT_SHAPE, WHOLE_SHAPE
from sinks.drops.checks.facts import UNREADABLE


@dataclass(frozen=True)
class Rule:
    """A rule: its name, what is wrong with a row that breaks it, and when one does."""

    name: str
    meaning: str
    broken: pl.Expr


def of(column: str, fact: str) -> pl.Expr:
    """A fact of a column of turns."""
    return pl.col(f"{column}.{fact}")


def _each(columns: tuple[str, ...], fact: str) -> pl.Expr:
    return pl.any_horizontal(of(column, fact) for column in columns)


def _common(*columns: str) -> tuple[Rule, ...]:
    readable = pl.any_horizontal(of(column, "shape") == UNREADABLE for column in columns)
    unanswered = pl.any_horizontal(~of(column, "answered") for column in columns)
    return (
        Rule("turns_readable", "holds something other than turns", readable),
        Rule("no_empty_content", "has a turn without content", _each(columns, "empty")),
        Rule("valid_text", "has a text with a NUL character", _each(columns, "nul")),
        Rule("tool_calls_answered", "has tool calls and answers that do not fit together", unanswered),
    )


def _prompt(column: str = "prompt") -> tuple[Rule, ...]:
    return (
        Rule(
            "roles_alternate",
            f"user and assistant do not take turns in its {column}",
            ~of(column, "shape").str.contains(PROMPT_SHAPE),
        ),
        Rule(
            "prompt_end",
            f"its {column} does not end with the user or a tool",
            ~of(column, "shape").str.contains(PROMPT_END),
        ),
    )


def _answer(column: str) -> Rule:
    return Rule(
        f"{column}_by_assistant",
        f"its {column} does not start and end with the assistant",
        ~of(column, "shape").str.contains(ANSWER_SHAPE),
    )


def _differ(first: str, second: str) -> Rule:
    return Rule("sides_differ", f"{first} and {second} are the same", of(first, "same") == of(second, "same"))


_ALTERNATES = Rule(
    "roles_alternate",
    "user and assistant do not take turns",
    ~of("messages", "shape").str.contains(WHOLE_SHAPE),
)

_ONE_MESSAGE = tuple(
    Rule(
        f"{side}_one_message", f"its {side} is not one assistant message with text", of(side, "shape") != "a"
    )
    for side in ("preferred_output", "non_preferred_output")
)

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "preference": (
        *_common("prompt", "chosen", "rejected"),
        *_prompt(),
        _answer("chosen"),
        _answer("rejected"),
        _differ("chosen", "rejected"),
    ),
    "unpaired": (*_common("prompt", "completion"), *_prompt(), _answer("completion")),
    "sft": (*_common("messages"), _ALTERNATES),
    "prompts": (*_common("prompt"), *_prompt()),
    "openai/preference": (
        *_common("input", "preferred_output", "non_preferred_output"),
        *_prompt("input"),
        *_ONE_MESSAGE,
        _differ("preferred_output", "non_preferred_output"),
    ),
    "openai/sft": (
        *_common("messages"),
        _ALTERNATES,
        Rule("last_message_learned", "not its last assistant message alone is learned", ~pl.col("learned")),
    ),
}
"""By folder of the file. Columns of facts are called `column.fact`."""

COMPARED: Final = frozenset({"chosen", "rejected", "preferred_output", "non_preferred_output"})
"""Columns whose fact `same` a rule asks for."""
