"""Random conversations with tool calls, as applications log them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from contracts.events import Message

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from(["search", "get_weather", "run"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
ARGUMENTS = st.dictionaries(WORDS, VALUES, max_size=3)


@dataclass(frozen=True)
class Conversation:
    """What was asked, ending with the user or a tool, and what was answered, ending with the assistant."""

    inputs: list[Message]
    outputs: list[Message]


def text(role: str, content: str) -> Message:
    """A message that says something."""
    return Message(role=role, parts=[{"type": "text", "content": content}])


@st.composite
def calls(draw: st.DrawFn, *, answered: bool = True, say: bool = True) -> list[Message]:
    """An assistant's message with tool calls and, when `answered`, the messages that answer them."""
    ids = draw(st.lists(st.uuids().map(str), min_size=1, max_size=3, unique=True))
    made: list[dict[str, Any]] = []
    if say and draw(st.booleans()):
        made.append({"type": "text", "content": draw(WORDS.filter(bool))})
    for call_id in ids:
        arguments = draw(ARGUMENTS)
        logged = json.dumps(arguments) if draw(st.booleans()) else arguments
        made.append({"type": "tool_call", "id": call_id, "name": draw(NAMES), "arguments": logged})
    asked = Message(role="assistant", parts=made)
    if not answered:
        return [asked]
    parts = [
        {"type": "tool_call_response", "id": i, "response": draw(WORDS)} for i in draw(st.permutations(ids))
    ]
    if draw(st.booleans()):
        return [asked, Message(role="tool", parts=parts)]
    return [asked, *(Message(role="tool", parts=[part]) for part in parts)]


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Any well-formed conversation."""
    inputs = [text("system", draw(WORDS))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        inputs.append(text("user", draw(WORDS)))
        if draw(st.booleans()):
            inputs += draw(calls())
        inputs.append(text("assistant", draw(WORDS)))
    inputs.append(text("user", draw(WORDS)))
    if draw(st.booleans()):
        inputs += draw(calls())
    return Conversation(inputs, draw(outputs()))


@st.composite
def outputs(draw: st.DrawFn, *, say: bool = True) -> list[Message]:
    """A response that may ask tools first and ends with words or calls. `say`: words beside earlier calls."""
    before = draw(calls(say=say)) if draw(st.booleans()) else []
    last = draw(calls(answered=False)) if draw(st.booleans()) else [text("assistant", draw(WORDS))]
    return [*before, *last]
