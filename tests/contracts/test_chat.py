"""Messages become the turns that trainers read; what turns cannot hold is refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from contracts.chat import (
    Turn,
    TurnsUnusable,
    chat_turns,
    conversation,
    function_tools,
    openai_turn,
    parse_turns,
    shown,
    turn_text,
)
from contracts.events import Message
from tests.conversations import Conversation, conversations


def messages(*given: dict[str, Any]) -> list[Message]:
    return msgspec.convert(list(given), list[Message])


def text(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def call(name: str | None = "weather", arguments: Any = None, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_call", "name": name, "arguments": arguments, **fields}


def said(*parts: dict[str, Any], role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def response(result: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "response": result, **fields}]}


def test_plain_turns_go_there_and_back() -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": ""}]
    assert chat_turns(parse_turns(turns)) == turns


def test_calls_and_answers_in_the_shape_trainers_read() -> None:
    turns = chat_turns(
        messages(
            text("user", "Paris and Rome?"),
            said(
                {"type": "reasoning", "content": "two calls"},
                call(arguments={"city": "Paris"}, id="a8"),
                call(arguments='{"city": "Rome", "units": ["C"]}', id="b9"),
            ),
            response("18 degrees", id="b9"),
            response({"degrees": 15}, id="a8"),
            text("assistant", "Mild."),
        )
    )
    paris = {"name": "weather", "arguments": {"city": "Paris"}}
    rome = {"name": "weather", "arguments": {"city": "Rome", "units": ["C"]}}
    assert turns == [
        {"role": "user", "content": "Paris and Rome?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call00001", "type": "function", "function": paris},
                {"id": "call00002", "type": "function", "function": rome},
            ],
        },
        {"role": "tool", "content": "18 degrees", "tool_call_id": "call00002", "name": "weather"},
        {"role": "tool", "content": '{"degrees":15}', "tool_call_id": "call00001", "name": "weather"},
        {"role": "assistant", "content": "Mild."},
    ]


def test_several_answers_in_one_message_and_a_question_after_them() -> None:
    answers = [{"type": "tool_call_response", "id": n, "result": f"r{n}"} for n in ("1", "2")]
    turns = chat_turns(
        messages(
            said(call(id="1"), call(id="2")),
            said(*answers, {"type": "text", "content": "Well?"}, role="user"),
        )
    )
    assert [(t["role"], t["content"]) for t in turns[1:]] == [
        ("tool", "r1"),
        ("tool", "r2"),
        ("user", "Well?"),
    ]


def test_without_ids_answers_go_to_the_oldest_open_call() -> None:
    turns = chat_turns(messages(said(call("f"), call("g")), text("tool", "one"), response("two")))
    assert [(t["tool_call_id"], t["name"], t["content"]) for t in turns[1:]] == [
        ("call00001", "f", "one"),
        ("call00002", "g", "two"),
    ]


def test_messages_in_a_row_are_one_turn_of_the_system_and_of_a_user_only() -> None:
    given = messages(
        text("system", "be brief"),
        text("developer", "today is Monday"),
        text("user", "hello"),
        text("user", " "),
        text("user", "still there?"),
        text("assistant", "yes"),
        text("assistant", "go on"),
    )
    assert chat_turns(given) == [
        {"role": "system", "content": "be brief\n\ntoday is Monday"},
        {"role": "user", "content": "hello\n\nstill there?"},
        {"role": "assistant", "content": "yes"},
        {"role": "assistant", "content": "go on"},
    ]


def test_calls_of_an_answer_are_numbered_on_from_the_prompt() -> None:
    prompt = messages(text("user", "x"), said(call(id="same")), response("y", id="same"))
    asked, answered = conversation(prompt, messages(said(call(id="same"))))
    assert asked[1]["tool_calls"][0]["id"] == "call00001"
    assert answered[0]["tool_calls"][0]["id"] == "call00002"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([{"role": "user", "parts": [{"type": "uri", "uri": "x"}]}], "non_text_parts"),
        ([said({"type": "server_tool_call", "id": "1"})], "non_text_parts"),
        ([said(call(name=None))], "broken_tool_calls"),
        ([said(call(name=""))], "broken_tool_calls"),
        ([said(call(arguments="{not json"))], "broken_tool_calls"),
        ([said(call(arguments="[1]"))], "broken_tool_calls"),
        ([said(call(arguments=7))], "broken_tool_calls"),
        ([said(call(), role="user")], "broken_tool_calls"),
        ([response("to nobody")], "broken_tool_calls"),
        ([text("tool", "to nobody")], "broken_tool_calls"),
        ([said(call(id="1")), response("x", id="2")], "broken_tool_calls"),
        ([said(call(id="1")), response("x", id="1"), response("again", id="1")], "broken_tool_calls"),
        ([said(call(id="1"), call(id="1"))], "broken_tool_calls"),
        ([said(call(id="1")), text("user", "never mind")], "broken_tool_calls"),
        ([said(call(id="1")), said(call(id="2"))], "broken_tool_calls"),
        (
            [said(call(id="1"), {"type": "tool_call_response", "id": "1", "response": "x"})],
            "broken_tool_calls",
        ),
    ],
)
def test_what_turns_cannot_hold(given: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(TurnsUnusable) as refused:
        chat_turns(messages(*given))
    assert refused.value.reason == reason


@pytest.mark.parametrize("arguments", [None, "", " ", {}, "{}"])
def test_a_call_without_arguments(arguments: Any) -> None:
    (turn,) = chat_turns(messages(said(call(arguments=arguments))))
    assert turn["tool_calls"][0]["function"]["arguments"] == {}


@given(conversations())
def test_any_conversation_keeps_its_texts_calls_and_answers(talk: Conversation) -> None:
    asked, answered = conversation(talk.inputs, talk.outputs)
    turns = [*asked, *answered]
    parts = [part for message in [*talk.inputs, *talk.outputs] for part in message.parts or ()]
    texts = [p["content"] for p in parts if p["type"] == "text"]
    assert [
        t["content"] for t in turns if t["role"] != "tool" and (t["content"] or "tool_calls" not in t)
    ] == texts
    called = [c for t in turns for c in t.get("tool_calls") or ()]
    assert [(c["function"]["name"], c["function"]["arguments"]) for c in called] == [
        (p["name"], json.loads(p["arguments"]) if isinstance(p["arguments"], str) else p["arguments"])
        for p in parts
        if p["type"] == "tool_call"
    ]
    ids = [c["id"] for c in called]
    assert ids == [f"call{n:05d}" for n in range(1, len(ids) + 1)]
    answers = [t for t in turns if t["role"] == "tool"]
    assert len(answers) == sum(p["type"] == "tool_call_response" for p in parts)
    names = {c["id"]: c["function"]["name"] for c in called}
    assert all(names[t["tool_call_id"]] == t["name"] for t in answers)
    assert json.loads(json.dumps(turns)) == turns


@given(conversations())
def test_openai_turns_hold_arguments_as_text(talk: Conversation) -> None:
    for turn in chat_turns(talk.inputs):
        sent = openai_turn(turn)
        assert "name" not in sent
        assert sent["content"] == (turn["content"] or (None if "tool_calls" in turn else ""))
        for mine, theirs in zip(turn.get("tool_calls", []), sent.get("tool_calls", []), strict=True):
            assert json.loads(theirs["function"]["arguments"]) == mine["function"]["arguments"]


def test_what_a_turn_says() -> None:
    calls = [
        {"id": "1", "type": "function", "function": {"name": "find", "arguments": {"q": ["a\nb"], "n": 2}}}
    ]
    turn: Turn = {"role": "assistant", "content": "Let me see.", "tool_calls": calls}
    assert turn_text(turn) == "Let me see.\nfind\nq a\nb\nn 2"
    assert shown(turn) == 'Let me see.\nfind({"q":["a\\nb"],"n":2})'
    assert turn_text({"role": "tool", "content": '{"text": "a\\nb"}'}) == "text a\nb"
    assert turn_text({"role": "tool", "content": "{not json"}) == "{not json"
    assert turn_text({"role": "user", "content": '{"text": "a\\nb"}'}) == '{"text": "a\\nb"}'


SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
FUNCTION = {"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": SCHEMA}}


@pytest.mark.parametrize(
    "tool",
    [
        FUNCTION,
        {"type": "function", "name": "find", "description": "Finds.", "parameters": SCHEMA},
        {"name": "find", "description": "Finds.", "input_schema": SCHEMA},
        {"type": "custom", "name": "find", "description": "Finds.", "input_schema": SCHEMA},
    ],
)
def test_tools_of_any_shape_come_out_as_functions(tool: dict[str, Any]) -> None:
    made = function_tools(json.dumps([{"type": "web_search"}, tool]))
    assert made is not None
    assert json.loads(made) == [FUNCTION]
    assert function_tools(made) == made


@pytest.mark.parametrize(
    "stored", [None, "", "[]", "{}", "not json", '[{"type": "web_search"}]', "[1, null]"]
)
def test_no_functions(stored: str | None) -> None:
    assert function_tools(stored) is None
