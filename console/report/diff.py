"""Word-level difference of two texts, for reading rather than for patching."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

MAX_CHARS: Final = 4_000
"""Longest text shown; a report is a sample, the drop holds the whole."""

MIN_SIMILARITY: Final = 0.3
"""Share of common words below which marking differences would mark everything."""

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Piece:
    """A stretch of text; `changed` when the other side does not have it."""

    text: str
    changed: bool


@dataclass(frozen=True)
class Diff:
    """Both sides in pieces; `marked` is False when the texts are too different to compare."""

    rejected: list[Piece]
    chosen: list[Piece]
    marked: bool


def cut(text: str, limit: int = MAX_CHARS) -> str:
    """The text, or its beginning with the number of characters left out."""
    text = text.replace("\x00", "�")
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text) - limit:,} more characters)"


def compare(rejected: str, chosen: str) -> Diff:
    """Compare word by word (Ratcliff and Obershelp's matching blocks, as `difflib` does it)."""
    rejected, chosen = cut(rejected), cut(chosen)
    left, right = _TOKEN.findall(rejected), _TOKEN.findall(chosen)
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    if matcher.real_quick_ratio() < MIN_SIMILARITY or _word_ratio(matcher, left, right) < MIN_SIMILARITY:
        return Diff([Piece(rejected, False)], [Piece(chosen, False)], marked=False)
    before: list[Piece] = []
    after: list[Piece] = []
    for op, a, b, c, d in matcher.get_opcodes():
        _add(before, "".join(left[a:b]), op != "equal")
        _add(after, "".join(right[c:d]), op != "equal")
    return Diff(before, after, marked=True)


def _word_ratio(matcher: SequenceMatcher[str], left: list[str], right: list[str]) -> float:
    """Similarity over words alone: spaces match everywhere and would flatter it."""
    common = sum(
        1
        for block in matcher.get_matching_blocks()
        for t in left[block.a : block.a + block.size]
        if t.strip()
    )
    total = sum(1 for t in (*left, *right) if t.strip())
    return 2 * common / total if total else 1.0


def _add(pieces: list[Piece], text: str, changed: bool) -> None:
    """Append, joining neighbours: a lone space between two changes belongs to the change."""
    if not text:
        return
    if pieces and changed and len(pieces) > 1 and not pieces[-1].changed and not pieces[-1].text.strip():
        space = pieces.pop().text
        pieces[-1] = Piece(pieces[-1].text + space + text, True)
    elif pieces and pieces[-1].changed == changed:
        pieces[-1] = Piece(pieces[-1].text + text, changed)
    else:
        pieces.append(Piece(text, changed))
