"""Both ways of giving text end in one stored form; conversations survive the round trip."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import reasons
from contracts.errors import EventInvalid
from contracts.events import Message
from contracts.messages import (
    decode_messages,
    encode_messages,
    last_user_text,
    normalize,
    output_text,
)

CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]},
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "look it up"},
            {"type": "tool_call", "id": "t1", "name": "weather", "arguments": {"city": "Paris", "n": [1]}},
        ],
        "finish_reason": "tool_calls",
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t1", "response": "rain\0 ☔"}]},
    {"role": "user", "parts": [{"type": "image", "uri": "x"}, {"type": "text", "content": "And now?"}]},
]


def stored(messages: list[dict[str, Any]] | None, sugar: str | None = None) -> str:
    read = None if messages is None else msgspec.convert(messages, list[Message])
    made = normalize(read, sugar, role="user", field="input_messages")
    assert made is not None
    return encode_messages(made)


@given(st.text())
def test_sugar_and_parts_are_stored_alike(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    by_string = stored(None, text)
    assert by_string == stored([{"role": "user", "content": text}])
    assert by_string == stored([{"role": "user", "parts": [{"type": "text", "content": text}]}])
    assert by_string == stored([{"parts": [{"content": text, "type": "text"}], "role": "user"}])


def test_turns_and_tool_calls_survive() -> None:
    kept = stored(CONVERSATION)
    assert json.loads(kept) == CONVERSATION
    assert encode_messages(decode_messages(kept)) == kept


def test_texts_of_a_conversation() -> None:
    messages = decode_messages(stored(CONVERSATION))
    assert last_user_text(messages) == "And now?"
    assert output_text(messages[2:3]) is None
    assert output_text(messages[:2]) == "Be brief.\nWeather in Paris?"


def test_no_text_is_not_empty_text() -> None:
    assert normalize(None, None, role="user", field="input_messages") is None
    assert json.loads(stored(None, "")) == [{"role": "user", "parts": [{"type": "text", "content": ""}]}]


@pytest.mark.parametrize(
    ("messages", "sugar", "reason", "field"),
    [
        ([], "hi", reasons.AMBIGUOUS_TEXT, "$.input_messages"),
        (
            [{"role": "user", "parts": [], "content": "x"}],
            None,
            reasons.AMBIGUOUS_TEXT,
            "$.input_messages[0]",
        ),
        ([{"role": "user"}], None, reasons.SCHEMA, "$.input_messages[0]"),
        (
            [{"role": "user", "parts": [{"content": "x"}]}],
            None,
            reasons.SCHEMA,
            "$.input_messages[0].parts[0]",
        ),
        (
            [{"role": "user", "content": "x"}, {"role": "user", "parts": [{"type": "text", "content": 1}]}],
            None,
            reasons.SCHEMA,
            "$.input_messages[1].parts[0]",
        ),
    ],
)
def test_ambiguous_and_shapeless_text_is_refused(
    messages: list[dict[str, Any]], sugar: str | None, reason: str, field: str
) -> None:
    with pytest.raises(EventInvalid) as caught:
        stored(messages, sugar)
    assert (caught.value.reason, caught.value.field) == (reason, field)
