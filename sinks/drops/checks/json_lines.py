"""Checks of the OpenAI files, some lines at a time.

Every field is one that the API reference knows and that this format needs; see `formats.openai_lines` for the
sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import polars as pl

from contracts.chat import Turn
from sinks.drops.checks.facts import facts
from sinks.drops.checks.results import Findings, kind_of
from sinks.drops.checks.rules import COMPARED, RULES
from sinks.drops.checks.tokens import TokenCounts, turns_texts

LINES: Final = 4096
"""Lines that are checked at a time."""

_MEANING: Final = "is no line of the format"


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Function(_Strict):
    name: str
    arguments: str


class _Call(_Strict):
    id: str
    type: Literal["function"]
    function: _Function


class _Message(_Strict):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None
    tool_calls: list[_Call] | msgspec.UnsetType = msgspec.UNSET
    tool_call_id: str | msgspec.UnsetType = msgspec.UNSET
    weight: Literal[0, 1] | msgspec.UnsetType = msgspec.UNSET


class _Offered(msgspec.Struct):
    name: str


class _Tool(_Strict):
    type: Literal["function"]
    function: _Offered


class _Sft(_Strict):
    messages: list[_Message]
    tools: list[_Tool] | msgspec.UnsetType = msgspec.UNSET
    parallel_tool_calls: bool | msgspec.UnsetType = msgspec.UNSET


class _Preference(_Strict):
    input: _Sft
    preferred_output: list[_Message]
    non_preferred_output: list[_Message]


_strict: Final = {
    "openai/preference": msgspec.json.Decoder(_Preference).decode,
    "openai/sft": msgspec.json.Decoder(_Sft).decode,
}
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_arguments = msgspec.json.Decoder(dict[str, Any]).decode

Parts = dict[str, list[Turn]]


def check_lines(folder: Path, name: str, expected: int, findings: Findings, tokens: TokenCounts) -> None:
    """Check an OpenAI file of a drop."""
    kind = kind_of(name)
    start = 0
    with (folder / name).open("rb") as file:
        while lines := list(islice(file, LINES)):
            _check_batch(name, kind, lines, start, expected, findings, tokens)
            start += len(lines)
    findings.add(
        name, "rows_as_written", f"has {start} lines, not {expected}", [start] * (start != expected), expected
    )


def _check_batch(
    name: str,
    kind: str,
    lines: Sequence[bytes],
    start: int,
    expected: int,
    findings: Findings,
    tokens: TokenCounts,
) -> None:
    opened = [_opened(line, kind) for line in lines]
    bad = [row for row, parts in enumerate(opened, start) if parts is None]
    findings.add(name, "json_lines", _MEANING, bad, len(lines))
    split = [row for row, line in enumerate(lines, start) if not _is_one_line(line)]
    findings.add(name, "one_line_each", "is not one line to every reader", split, len(lines))
    rows = pl.Series([row for row, parts in enumerate(opened, start) if parts is not None], dtype=pl.Int64)
    good = [parts for parts in opened if parts is not None]
    if not good:
        return
    columns = {column: [parts[column] for parts in good] for column in good[0]}
    found = pl.concat(
        [
            facts(turns, same=column in COMPARED).select(pl.all().name.prefix(f"{column}."))
            for column, turns in columns.items()
        ],
        how="horizontal",
    )
    if kind == "openai/sft":
        learned = pl.Series("learned", map(_last_learned, columns["messages"]), dtype=pl.Boolean)
        found = found.with_columns(learned)
    for rule in RULES[kind]:
        broken = rows.filter(found.select(rule.broken.fill_null(value=True)).to_series())
        findings.add(name, rule.name, rule.meaning, broken.to_list(), len(lines))
    tokens.add(name, expected, start, {column: turns_texts(turns) for column, turns in columns.items()})


def _opened(line: bytes, kind: str) -> Parts | None:
    """The conversations of a line by part, calls with their arguments as objects; None when it is no line of
    the format."""
    try:
        _strict[kind](line)
        value = _decode(line)
        messages = value["messages"] if kind == "openai/sft" else value["input"]["messages"]
        parts = {"messages": messages} if kind == "openai/sft" else {"input": messages}
        if kind == "openai/preference":
            parts |= {side: value[side] for side in ("preferred_output", "non_preferred_output")}
        return {name: list(map(_stored, turns)) for name, turns in parts.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _stored(turn: Turn) -> Turn:
    if not turn.get("tool_calls"):
        return turn
    calls = [
        {**call, "function": {**call["function"], "arguments": _arguments(call["function"]["arguments"])}}
        for call in turn["tool_calls"]
    ]
    return {**turn, "tool_calls": calls}


def _is_one_line(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    if line.isascii():
        return b"\r" not in line and not any(
            end in line for end in (b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e")
        )
    return len(line.decode("utf-8", "replace").splitlines()) == 1


def _last_learned(messages: Sequence[Turn]) -> bool:
    """Whether the last message is the assistant's and the only one that is learned."""
    weights = [turn.get("weight") for turn in messages]
    assistant = [turn["role"] == "assistant" for turn in messages]
    if not messages or not assistant[-1] or weights[-1] != 1:
        return False
    return all(
        weight == (0 if by_assistant else None)
        for weight, by_assistant in zip(weights[:-1], assistant[:-1], strict=True)
    )
