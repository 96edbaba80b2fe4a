"""Whose a message is, from its original bytes: for dead letters, which no table column speaks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

FIELDS: Final = {"user_id": "user_id", "request_id": "request", "session_id": "session", "event_id": "event"}
"""Field of an event → what it names; `user_id` is the raw id, not yet a pseudonym."""

_NAMED: Final = re.compile(r'"(user_id|request_id|session_id|event_id)"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|(\d+))')


def named_in(key: bytes | None, value: bytes | None) -> Mapping[str, frozenset[str]]:
    """Ids in a message by what they name: `user_id`, `request`, `session`, `event`.

    JSON objects are read as such. Of anything else the fields are looked for in the text as it stands, so a
    cut-off or badly quoted value still names its user. The key is a session id, by contract.
    """
    found: dict[str, set[str]] = {name: set() for name in FIELDS.values()}
    for field, text in _fields(value or b""):
        if text:
            found[FIELDS[field]].add(text)
    if key:
        found["session"].add(key.decode("utf-8", "replace"))
    return {name: frozenset(ids) for name, ids in found.items()}


def _fields(value: bytes) -> list[tuple[str, str]]:
    try:
        event = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = None
    if isinstance(event, dict):
        given = ((field, event.get(field)) for field in FIELDS)
        return [(field, str(text)) for field, text in given if isinstance(text, str | int)]
    text = value.decode("utf-8", "replace")
    return [(m[1], m[3] or _unescaped(m[2])) for m in _NAMED.finditer(text)]


def _unescaped(quoted: str) -> str:
    try:
        return msgspec.json.decode(f'"{quoted}"'.encode(), type=str)
    except msgspec.DecodeError:
        return quoted
