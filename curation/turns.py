"""The chat turns of candidate rows: the prompt, the answer, and the answer as its user edited it.

A response may be several messages: the model calls tools, reads what they answered, and speaks. Only its last
turn is an answer to train on (a trainer would take the tools' words for the model's otherwise); what comes
before it is part of the prompt. So a row whose other side has different turns before the last has another
prompt, and the two are no pair.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import polars as pl

from contracts.chat import Turn, TurnsUnusable, conversation
from contracts.messages import decode_messages

TURN_COLUMNS: Final = pl.Schema(
    {
        "prompt_turns": pl.String(),
        "response_turns": pl.String(),
        "edit_turns": pl.String(),
        "turns_problem": pl.String(),
    }
)
"""Chat turns as JSON (`contracts.chat`). prompt_turns: input messages, and what a response of several turns
holds before its last. response_turns: that last turn; all of them where they are no run of tool calls.
edit_turns: the last turn as its user edited it, null without an edit. turns_problem: why there are none, null
otherwise."""

_encode = msgspec.json.Encoder().encode


def with_turns(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `TURN_COLUMNS` to rows with `input_messages`, `output_messages` (stored form) and `edit_text`."""
    texts = rows.select("input_messages", "output_messages", "edit_text").iter_rows()
    made = [_row_turns(*row) for row in texts]
    return rows.hstack(pl.DataFrame(made, schema=TURN_COLUMNS, orient="row"))


def answer_turns(text: str | None) -> str | None:
    """One assistant turn as JSON."""
    return None if text is None else _json([{"role": "assistant", "content": text}])


def _row_turns(
    inputs: str | None, outputs: str | None, edit: str | None
) -> tuple[str | None, str | None, str | None, str | None]:
    if inputs is None or outputs is None:
        return None, None, None, None
    try:
        asked, answered = conversation(decode_messages(inputs), decode_messages(outputs))
    except TurnsUnusable as problem:
        return None, None, None, problem.reason
    before, last = split_answer(answered)
    edited = None if edit is None else _json(edited_turns(before, last, edit))
    return _json([*asked, *before]), _json(last), edited, None


def split_answer(turns: list[Turn]) -> tuple[list[Turn], list[Turn]]:
    """A response's turns before the answer, and the answer: its last turn, when a tool spoke before it.

    Responses of another form stay whole, for a gate to refuse when they have several turns.
    """
    if len(turns) > 1 and turns[-1]["role"] == "assistant" and turns[-2]["role"] == "tool":
        return turns[:-1], turns[-1:]
    return [], turns


def edited_turns(before: list[Turn], answer: list[Turn], edit: str) -> list[Turn]:
    """The answer with the text as its user left it; the calls it makes stay, as no user edits those.

    An edit is of all that the response said. What was said before the last turn must stand unchanged at its
    start, and is no part of the answer; otherwise the edit comes back as turns of its own, for a gate to
    refuse.
    """
    said = "".join(
        f"{turn['content']}\n" for turn in before if turn["role"] == "assistant" and turn["content"]
    )
    if not edit.startswith(said) or len(answer) != 1:
        return [*before, *answer, {"role": "assistant", "content": edit}]
    turn: dict[str, Any] = {**answer[0], "role": "assistant", "content": edit[len(said) :]}
    return [turn]


def _json(turns: list[Turn]) -> str:
    return _encode(turns).decode()
