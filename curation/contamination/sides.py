"""Rows as the gate reads them: the text of each side, its turns apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import polars as pl

from contracts.chat import turn_text

TURN: Final = "\x1e"
"""Stands between the turns of a side (the ASCII record separator)."""

SIDES: Final = ("prompt", "chosen", "rejected")
JOINED: Final = ("prompt+chosen", "prompt+rejected")
"""A conversation as the model reads it: what one side alone does not hold may lie across both. Positions
count from the start of the prompt, with one character (`TURN`) between the sides."""

ROWS: Final = pl.Schema({"key": pl.String(), **dict.fromkeys(SIDES, pl.String())})
"""What the gate takes: null for a side that a row does not have."""


def side_text(turns: str | None) -> str | None:
    """Text of a side from its chat turns (JSON), calls of tools included; null stays null."""
    if turns is None:
        return None
    parsed = msgspec.json.decode(turns, type=list[dict[str, Any]])
    return TURN.join(map(turn_text, parsed))


def rows_of(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """`ROWS` from rows whose `prompt`, `chosen` and `rejected` are chat turns as JSON."""
    sides = (frame[side].map_elements(side_text, return_dtype=pl.String).alias(side) for side in SIDES)
    return frame.select(pl.col(key).alias("key"), *sides)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: the row and side it is of, where in the side it starts (characters), its text."""

    row: int
    side: str
    start: int
    text: str


def turns(rows: pl.DataFrame) -> Iterator[Turn]:
    """All turns with text, in order of rows, sides and place."""
    for number, row in enumerate(rows.select(SIDES).iter_rows()):
        for side, text in zip(SIDES, row, strict=True):
            start = 0
            for part in (text or "").split(TURN):
                if part and not part.isspace():
                    yield Turn(number, side, start, part)
                start += len(part) + 1
