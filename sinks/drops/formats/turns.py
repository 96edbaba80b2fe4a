"""Turns as the lake stores them (a JSON list per row) into Arrow columns."""

from __future__ import annotations

from typing import Final

import msgspec
import polars as pl
import pyarrow as pa

TURNS: Final = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
"""A list of turns that only say something."""

TOOL_TURNS: Final = pa.list_(pa.json_())
"""A list of turns of which some call tools: each is one JSON object, which `datasets` reads back as it was.

A struct would give every turn every field, null where it has none, and arguments the fields of all functions;
chat templates that ask `'tool_calls' in message` then see calls everywhere. Source: TRL,
`trl.trainer.utils.remove_none_values`.
"""

_PLAIN: Final = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
_SURROGATE: Final = r"\\u[dD][89a-fA-F]"
"""An escape that may be half of a pair: polars reads a lone one as something else, where msgspec refuses."""


class _Said(msgspec.Struct):
    role: str
    content: str


_decode_plain = msgspec.json.Decoder(list[_Said]).decode
_decode_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode


def turns_array(column: pl.Series, kind: pa.DataType) -> pa.Array:
    """JSON lists of turns as an array of `TURNS` or `TOOL_TURNS`; the latter keep their JSON byte for byte.

    Raises `ValueError` where a text is no such list.
    """
    if kind == TOOL_TURNS:
        texts = [[bytes(turn).decode() for turn in _decode_raw(value)] for value in column]
        return pa.array(texts, type=pa.list_(pa.string())).cast(TOOL_TURNS)
    if column.str.contains(_SURROGATE).any():
        values = [
            [{"role": turn.role, "content": turn.content} for turn in _decode_plain(value)]
            for value in column
        ]
        return pa.array(values, type=TURNS)
    return column.str.json_decode(_PLAIN).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(TURNS)


def joined(first: pl.Expr, second: pl.Expr) -> pl.Expr:
    """Two JSON lists of turns as one."""
    head = first.str.strip_chars_end().str.strip_suffix("]").str.strip_chars_end()
    tail = second.str.strip_chars_start().str.strip_prefix("[").str.strip_chars_start()
    empty = head.str.ends_with("[") | (tail == "]")
    return pl.concat_str(head, pl.when(empty).then(pl.lit("")).otherwise(pl.lit(",")), tail)
