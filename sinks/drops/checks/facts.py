"""What the rules need to know of turns, without what they say.

Plain turns are looked at column by column; those that call tools are JSON and are opened one by one. Both
give the same facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import polars as pl

from contracts.chat import Turn
from contracts.turn_rules import LETTERS, NUL, UNKNOWN, calls_answered, has_tools, holds_nul, is_empty, shape

FACTS: Final = pl.Schema(
    {
        "shape": pl.String(),
        "empty": pl.Boolean(),
        "nul": pl.Boolean(),
        "answered": pl.Boolean(),
        "same": pl.String(),
    }
)
"""shape: letters of `contracts.turn_rules`. empty: a turn says nothing where it must. nul: it holds a NUL.
answered: calls and answers of tools fit together. same: a form that white space does not change; null unless
it is asked for."""

UNREADABLE: Final = "!"
"""Shape of what is no list of turns."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_canonical = msgspec.json.Encoder(order="deterministic").encode


def turn_facts(column: pl.Series, *, same: bool = True) -> pl.DataFrame:
    """Facts of a column of lists of turns, structs or the JSON of objects, in the order of the rows."""
    if isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.Struct):
        return _plain(column, same=same)
    return facts(map(_opened, column.to_list()), same=same)


def facts(conversations: Iterable[Sequence[Turn] | None], *, same: bool = True) -> pl.DataFrame:
    """Facts of conversations as values; None is one that could not be read."""
    rows = [_facts(turns, same=same) for turns in conversations]
    columns = list(zip(*rows, strict=True)) or [()] * len(FACTS)
    return pl.DataFrame(dict(zip(FACTS, columns, strict=True)), schema=FACTS)


def _facts(turns: Sequence[Turn] | None, *, same: bool) -> tuple[str, bool, bool, bool, str | None]:
    if turns is None:
        return UNREADABLE, False, False, True, None
    letters = shape(turns)
    return (
        letters,
        any(map(is_empty, turns)),
        holds_nul(turns),
        not has_tools(letters) or calls_answered(turns),
        _same(turns) if same else None,
    )


def _same(turns: Sequence[Turn]) -> str:
    said = [
        (turn["role"], " ".join((turn["content"] or "").split()), turn.get("tool_calls") or ())
        for turn in turns
    ]
    return _canonical(said).decode()


def _opened(turns: Sequence[str] | None) -> list[Turn] | None:
    try:
        opened = [_decode(turn) for turn in turns or ()]
    except (msgspec.MsgspecError, RecursionError):
        return None
    return opened if well_formed(opened) else None


def well_formed(turns: Iterable[Mapping[str, Any]]) -> bool:
    """Whether objects have the fields of turns (`contracts.chat`), and those their types."""
    return all(
        isinstance(turn.get("role"), str)
        and isinstance(turn.get("content"), str)
        and _calls_fit(turn.get("tool_calls", []))
        for turn in turns
    )


def _calls_fit(calls: Any) -> bool:
    return isinstance(calls, list) and all(
        isinstance(call, dict)
        and isinstance(call.get("id"), str)
        and call.get("type") == "function"
        and isinstance(call.get("function"), dict)
        and isinstance(call["function"].get("name"), str)
        and isinstance(call["function"].get("arguments"), dict)
        for call in calls
    )


def _plain(column: pl.Series, *, same: bool) -> pl.DataFrame:
    role, content = (pl.element().struct.field(name) for name in ("role", "content"))
    turns = pl.col(column.name)
    # A tool's answer without the call it answers fits nothing: plain turns hold no calls.
    letters = role.replace_strict(LETTERS, default=UNKNOWN, return_dtype=pl.String)
    blank = (content.str.strip_chars().str.len_bytes() == 0) & (role != "tool")
    squeezed = content.str.replace_all(r"\s+", " ").str.strip_chars()
    said = pl.concat_str(role, squeezed, separator="\x1f")
    missing = turns.is_null() | turns.list.eval(role.is_null() | content.is_null()).list.any()
    return column.to_frame().select(
        shape=pl.when(missing).then(pl.lit(UNREADABLE)).otherwise(turns.list.eval(letters).list.join("")),
        empty=turns.list.eval(blank).list.any().fill_null(value=False),
        nul=turns.list.eval(content.str.contains(NUL, literal=True)).list.any().fill_null(value=False),
        answered=~turns.list.eval(role == "tool").list.any().fill_null(value=False),
        same=turns.list.eval(said).list.join("\x1e") if same else pl.lit(None, dtype=pl.String),
    )
