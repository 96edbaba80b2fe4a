"""The texts inside stored messages, and messages with other texts in their place.

Everything a person or a tool wrote is text: text and reasoning parts, tool-call arguments and tool results,
however deep they are nested. Ids, types and names of roles and functions are not. JSON that was written as a
string stays valid JSON: only the string literals in it are looked at, each as what it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from contracts.messages import decode_messages, encode_messages
from curation.redaction.redactor import Text

Visit = Callable[[Text], str]
"""Takes a text and returns the text to put in its place."""

_STRUCTURE: Final = frozenset(
    {"type", "id", "role", "mime_type", "modality", "finish_reason", "tool_call_id", "call_id"}
)
_FUNCTION: Final = "name"
_BODIES: Final = frozenset({"content", "arguments", "response", "result"})
_LITERAL: Final = re.compile(r'"((?:[^"\\\n]|\\.)*+)"(\s*:)?|(?<![\w.+-])[0-9]{7,24}(?![\w.])')
_LONG_NUMBER: Final = 10**6
_NOISE: Final = re.compile(r"[_\W]+")
_WORD_BREAK: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

_parse = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def visit_messages(stored: str, visit: Visit) -> str:
    """Stored messages with each text as `visit` returns it; the very same string when nothing changes.

    What is not in the stored form is taken as any JSON.
    """
    try:
        messages = decode_messages(stored)
    except msgspec.MsgspecError:
        return visit_json(stored, visit)
    changed = False
    for message in messages:
        for part in message.parts or ():
            for key, value in part.items():
                if key in _STRUCTURE or (key == _FUNCTION and isinstance(value, str)):
                    continue
                new = _visited(value, "" if key in _BODIES else _label(key), visit)
                if new is not value:
                    part[key] = new
                    changed = True
    return encode_messages(messages) if changed else stored


def visit_json(stored: str, visit: Visit) -> str:
    """Any JSON with each of its texts as `visit` returns it; a text that is no JSON is one text."""
    return _visited_text(stored, "", visit)


def _visited(value: Any, label: str, visit: Visit) -> Any:
    """A value of decoded JSON after the visit; the same object when nothing changed."""
    if isinstance(value, str):
        return _visited_text(value, label, visit)
    if isinstance(value, dict):
        new = {key: _visited(inner, _label(key), visit) for key, inner in value.items()}
        return new if any(new[key] is not value[key] for key in value) else value
    if isinstance(value, list):
        items = [_visited(inner, label, visit) for inner in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LONG_NUMBER:
        new_text = visit(Text(str(value), label))
        return value if new_text == str(value) else new_text
    return value


def _visited_text(text: str, label: str, visit: Visit) -> str:
    head = text.lstrip()[:1]
    if head in {"{", "["} and _is_json(text):
        new = _visited_literals(text, visit)
    else:
        new = visit(Text(text, label))
    return text if new == text else new


def _is_json(text: str) -> bool:
    try:
        _parse(text)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _visited_literals(text: str, visit: Visit) -> str:
    """JSON text with its strings and long integers visited; all else stays as it is written."""
    label = ""

    def literal(match: re.Match[str]) -> str:
        nonlocal label
        if match[1] is None:
            number = visit(Text(match[0], label))
            return match[0] if number == match[0] else _encode(number).decode()
        if match[2] is not None:
            label = _label(_parse(f'"{match[1]}"'))
            return match[0]
        value = _parse(f'"{match[1]}"')
        new = _visited_text(value, label, visit)
        return match[0] if new is value or new == value else _encode(new).decode()

    return _LITERAL.sub(literal, text)


def _label(key: str) -> str:
    """A key as words: `customerName` and `customer_name` are `customer name`; of a bare `name` anything
    may follow."""
    words = _NOISE.sub(" ", _WORD_BREAK.sub(" ", key)).strip()[:40].lower()
    return "" if words == "name" else words


def collect(texts: list[Text]) -> Visit:
    """A visit that collects the texts and changes nothing."""

    def visit(text: Text) -> str:
        texts.append(text)
        return text.text

    return visit


def substitute(redacted: Mapping[Text, str]) -> Visit:
    """A visit that puts redacted texts in the place of the texts."""
    return lambda text: redacted[text]
