"""What a conversation must be for trainers to take it. Pure.

The rules are those of the strictest chat templates that know system messages and tools: after an optional
system message, user and assistant take turns, the user first; calls of tools and their answers stand between
the two and do not count. Llama 2, Gemma and Mistral templates raise on anything else ("Conversation roles
must alternate user/assistant/user/assistant/..."); Qwen, Llama 3 and ChatML templates take more. A row that
only some trainers take is none for a drop, which is to outlive a base model.

Sources: chat templates of `mistralai/Mistral-7B-Instruct-v0.3`, `google/gemma-3-4b-it`,
`meta-llama/Llama-2-7b-chat-hf`; Together documentation, "Data preparation" (conversations start with system
or user and alternate); OpenAI API reference, "Create chat completion" (each tool call is answered by a tool
message with its id before anybody else speaks).

A *shape* is a letter per turn: s(ystem), u(ser), a(ssistant), c: an assistant that calls tools, t(ool), and ?
for every other role.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from contracts.chat import Turn

LETTERS: Final = {"system": "s", "user": "u", "assistant": "a", "tool": "t"}
CALLS: Final = "c"
UNKNOWN: Final = "?"

PROMPT_SHAPE: Final = r"^s?(?:u(?:ct+)*a)*u(?:ct+)*$"
"""Shapes of a prompt. Written for engines without look-around, as polars reads it too."""

ANSWER_SHAPE: Final = r"^(?:ct+)*[ac]$"
"""Shapes of a completion: it starts and ends with the assistant."""

WHOLE_SHAPE: Final = r"^s?(?:u(?:ct+)*a)*u(?:ct+)*[ac]$"
"""Shapes of a prompt with its completion."""

PROMPT_END: Final = r"[ut]$"

_SAID: Final = {"role", "content", "weight"}

NUL: Final = "\x00"
"""No text: C programs, Postgres and most tokenizers' tools cut there or fail."""

_prompt = re.compile(PROMPT_SHAPE).fullmatch
_answer = re.compile(ANSWER_SHAPE).fullmatch


def shape(turns: Sequence[Turn]) -> str:
    """The shape of some turns; who calls tools and is no assistant is unknown."""
    return "".join(
        [
            LETTERS.get(turn["role"], UNKNOWN)
            if not turn.get("tool_calls")
            else CALLS
            if turn["role"] == "assistant"
            else UNKNOWN
            for turn in turns
        ]
    )


def has_tools(letters: str) -> bool:
    """Whether turns of a shape call tools or are a tool's."""
    return CALLS in letters or LETTERS["tool"] in letters


def alternates(prompt: str) -> bool:
    """Whether the shape of a prompt is one that templates take."""
    return _prompt(prompt) is not None


def answers(completion: str) -> bool:
    """Whether the shape of a completion is one that templates take."""
    return _answer(completion) is not None


def is_empty(turn: Turn) -> bool:
    """Whether a turn says nothing where it must: a call need not, nor what a tool answered."""
    if turn["role"] == "tool" or turn.get("tool_calls"):
        return False
    return not (turn["content"] or "").strip()


def holds_nul(turns: Sequence[Turn]) -> bool:
    """Whether a text among the turns, arguments of calls included, holds a NUL character."""
    return any(
        NUL in (turn.get("content") or "")
        if turn.keys() <= _SAID
        else any(NUL in text for text in _texts(turn))
        for turn in turns
    )


def calls_answered(turns: Sequence[Turn]) -> bool:
    """Whether each call is answered once, by its id, before anybody else speaks; those of the last turn need
    no answer."""
    waiting: set[str] = set()
    for turn in turns:
        if turn["role"] == "tool":
            number = turn.get("tool_call_id")
            if number not in waiting:
                return False
            waiting.discard(number)
            continue
        if waiting:
            return False
        calls = turn.get("tool_calls") or ()
        waiting = {call["id"] for call in calls}
        if len(waiting) != len(calls):
            return False
    return not waiting or bool(turns and turns[-1].get("tool_calls"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
