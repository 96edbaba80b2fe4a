"""Chat turns: what trainers and the OpenAI API read, made from stored messages.

A turn is ``{"role", "content"}``. An assistant's turn that calls tools carries ``tool_calls`` besides, a list
of ``{"id", "type": "function", "function": {"name", "arguments"}}`` with the arguments as an object; its
``content`` is empty when it says nothing. What a tool answered is ``{"role": "tool", "content",
"tool_call_id", "name"}``.

Ids of calls are renumbered in the order of the conversation, so that equal conversations are equal and no
trainer learns a provider's random letters. They have the nine letters and digits that Mistral's chat
templates insist on.

Sources: TRL documentation, "Dataset formats and types", tool calling; OpenAI API reference, "Create chat
completion"; OpenTelemetry semantic conventions for GenAI (`tool_call`, `tool_call_response`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from contracts.events import Message
from contracts.messages import text_message

Turn = dict[str, Any]

NON_TEXT_PARTS: Final = "non_text_parts"
BROKEN_TOOL_CALLS: Final = "broken_tool_calls"

_ROLES: Final = {"developer": "system"}
"""Newer names of roles, by the one that chat templates know. Source: OpenAI API reference, "Create chat
completion": developer messages replace the former system messages."""

_JOINED: Final = ("system", "user")

_parse = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class TurnsUnusable(ValueError):
    """Messages that chat turns cannot hold; `reason` is `NON_TEXT_PARTS` or `BROKEN_TOOL_CALLS`."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason


def conversation(inputs: Sequence[Message], outputs: Sequence[Message]) -> tuple[list[Turn], list[Turn]]:
    """The turns of what was asked and of what was answered; reasoning is left out, as users never saw it.

    Raises `TurnsUnusable` for images, files and unknown parts, and for tool calls that do not fit together:
    a call without a name or with arguments that are no object, an answer to no call, a call that the
    conversation goes on without answering. Calls of the last turn need no answer. System messages in a row
    become one turn, and so do a user's: chat templates take one of each.
    """
    calls = _Calls()
    asked = _joined([turn for message in inputs for turn in _turns(message, calls)])
    return asked, [turn for message in outputs for turn in _turns(message, calls)]


def _joined(turns: Sequence[Turn]) -> list[Turn]:
    """Turns of which those of the system in a row are one, and those of the user, a blank line in between."""
    made: list[Turn] = []
    for turn in turns:
        if made and made[-1]["role"] == turn["role"] and turn["role"] in _JOINED:
            texts = [text for text in (made[-1]["content"], turn["content"]) if text.strip()]
            made[-1] = {**turn, "content": "\n\n".join(texts)}
        else:
            made.append(turn)
    return made


def chat_turns(messages: Sequence[Message]) -> list[Turn]:
    """Turns of one run of messages. Raises `TurnsUnusable` as `conversation` does."""
    return conversation(messages, ())[0]


def parse_turns(turns: Sequence[Turn]) -> list[Message]:
    """Messages from plain ``{"role", "content"}`` turns."""
    return [text_message(str(t["role"]), str(t["content"])) for t in turns]


@dataclass(slots=True)
class _Calls:
    """The calls of a conversation so far: how many there were, and those without an answer."""

    count: int = 0
    open: list[tuple[str | None, str, str]] = field(default_factory=list)
    """(id as logged, function, new id), oldest first"""

    def new(self, part: dict[str, Any]) -> Turn:
        """A call as it stands in a turn."""
        name = part.get("name")
        if not isinstance(name, str) or not name:
            raise TurnsUnusable(BROKEN_TOOL_CALLS, "a tool call names no function")
        self.count += 1
        number = f"call{self.count:05d}"
        logged = part.get("id")
        if logged is not None and any(logged == known for known, _, _ in self.open):
            raise TurnsUnusable(BROKEN_TOOL_CALLS, "two open tool calls have the same id")
        self.open.append((logged, name, number))
        function = {"name": name, "arguments": _arguments(part.get("arguments"))}
        return {"id": number, "type": "function", "function": function}

    def answer(self, logged: str | None, text: str) -> Turn:
        """What a tool answered to the call of that id, or without an id to the oldest open call."""
        for n, (known, name, number) in enumerate(self.open):
            if logged is None or logged == known:
                del self.open[n]
                return {"role": "tool", "content": text, "tool_call_id": number, "name": name}
        raise TurnsUnusable(BROKEN_TOOL_CALLS, "a tool answered a call that is not there")

    def none_open(self) -> None:
        """Raises when a call was not answered before somebody else speaks."""
        if self.open:
            raise TurnsUnusable(BROKEN_TOOL_CALLS, "a tool call was not answered")


def _turns(message: Message, calls: _Calls) -> list[Turn]:
    """The turns of one message: a tool's answers one by one, the rest as one turn."""
    texts: list[str] = []
    made: list[Turn] = []
    answers: list[Turn] = []
    for part in message.parts or ():
        kind = part["type"]
        if kind == "text":
            texts.append(part["content"])
        elif kind == "tool_call":
            if not made and not answers:
                calls.none_open()
            if message.role != "assistant":
                raise TurnsUnusable(BROKEN_TOOL_CALLS, f"a tool call by {message.role}")
            made.append(calls.new(part))
        elif kind == "tool_call_response":
            if message.role == "assistant":
                raise TurnsUnusable(BROKEN_TOOL_CALLS, "a tool's answer in the turn of the assistant")
            answers.append(calls.answer(part.get("id"), _answer_text(part)))
        elif kind != "reasoning":
            raise TurnsUnusable(NON_TEXT_PARTS, f"a part of type {kind}")
    text = "\n".join(texts)
    if made:
        return [{"role": "assistant", "content": text, "tool_calls": made}]
    if message.role == "tool":
        if answers and text.strip():
            raise TurnsUnusable(BROKEN_TOOL_CALLS, "text beside the answer of a tool")
        return answers if answers else [calls.answer(None, text)]
    if answers and not texts:
        return answers
    calls.none_open()
    return [*answers, {"role": _ROLES.get(message.role, message.role), "content": text}]


def _arguments(value: Any) -> dict[str, Any]:
    """Arguments as an object, whether they were logged as one or as its JSON."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return {}
    if isinstance(value, str):
        try:
            value = _parse(value)
        except (msgspec.MsgspecError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise TurnsUnusable(BROKEN_TOOL_CALLS, "arguments of a tool call are no JSON object")
    return value


def _answer_text(part: dict[str, Any]) -> str:
    value = next((part[key] for key in ("response", "result", "content") if part.get(key) is not None), "")
    return value if isinstance(value, str) else _encode(value).decode()


def turn_text(turn: Turn) -> str:
    """Everything a turn says: its text, and the functions it calls with the texts of their arguments.

    What a tool answered in JSON is read value by value too: escapes would stand in the middle of words.
    """
    content: str = turn["content"]
    if turn["role"] == "tool" and content.lstrip()[:1] in ("{", "["):
        try:
            return "\n".join(_leaves(_parse(content)))
        except (msgspec.MsgspecError, RecursionError):
            return content
    lines = [content] if content else []
    for call in turn.get("tool_calls") or ():
        lines.append(call["function"]["name"])
        lines += _leaves(call["function"]["arguments"])
    return "\n".join(lines)


def _leaves(value: Any, key: str = "") -> list[str]:
    """The values in a JSON value, each after the key it stands under."""
    if isinstance(value, dict):
        return [line for name, inner in value.items() for line in _leaves(inner, name)]
    if isinstance(value, list):
        return [line for inner in value for line in _leaves(inner, key)]
    text = value if isinstance(value, str) else _encode(value).decode()
    return [f"{key} {text}" if key else text]


def shown(turn: Turn) -> str:
    """A turn for people: its text, then its calls as ``name(arguments as JSON)``, a line each."""
    functions = [call["function"] for call in turn.get("tool_calls") or ()]
    calls = [f"{f['name']}({_encode(f['arguments']).decode()})" for f in functions]
    return "\n".join([turn["content"], *calls] if turn["content"] else calls)


def openai_turn(turn: Turn) -> Turn:
    """A turn as the OpenAI API has it: arguments as JSON text, null for no text, and no names of tools."""
    if turn["role"] == "tool":
        return {key: value for key, value in turn.items() if key != "name"}
    if not turn.get("tool_calls"):
        return turn
    calls = [
        {
            **call,
            "function": {**call["function"], "arguments": _encode(call["function"]["arguments"]).decode()},
        }
        for call in turn["tool_calls"]
    ]
    return {**turn, "content": turn["content"] or None, "tool_calls": calls}


def function_tools(stored: str | None) -> str | None:
    """The functions offered to a model as a JSON list of ``{"type": "function", "function": {…}}``.

    `stored` is JSON as the application logged it: that shape, or the flat one with `name` on top (OpenAI
    Responses, OpenTelemetry; Anthropic's `input_schema` are the parameters). Tools that are no functions,
    such as a provider's own web search, have no schema a chat template could show and are left out. Null when
    no function is left. What this function returned comes back as it is.
    """
    try:
        offered = _parse(stored) if stored else None
    except msgspec.MsgspecError:
        return None
    functions = [f for tool in offered if (f := _function(tool))] if isinstance(offered, list) else []
    return _encode(functions).decode() if functions else None


def _function(tool: Any) -> Turn | None:
    if not isinstance(tool, dict) or not (
        "input_schema" in tool or tool.get("type", "function") == "function"
    ):
        return None
    inner = tool.get("function", tool)
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
        return None
    schema = inner.get("parameters", inner.get("input_schema"))
    function: Turn = {"name": inner["name"]}
    if isinstance(inner.get("description"), str):
        function["description"] = inner["description"]
    if isinstance(schema, dict):
        function["parameters"] = schema
    if isinstance(inner.get("strict"), bool):
        function["strict"] = inner["strict"]
    return {"type": "function", "function": function}
