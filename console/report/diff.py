"""Word-level difference of two texts, for reading rather than for patching."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

MAX_CHARS: Final = 4_000
"""Longest text shown; a report is a sample, the drop holds the whole."""

MIN_SIMILARITY: Final = 0.3
"""Share of common words and signs below which marking differences would mark everything."""

MAX_WORK: Final = 200_000
"""Pairs of equal words above which (repetitive) texts are compared sentence by sentence instead."""

# A word or a sign takes the blanks after it along; a line break with its indentation stands alone,
# because in code it matters. Scripts written without blanks go sign by sign.
_WORD = re.compile(
    r"\n\s*|(?:[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|[^\w\s])[^\S\n]*|[^\S\n]+"
)
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?\n]+\s*|$)")


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
    left, right = _tokens(rejected, chosen)
    matcher = SequenceMatcher(None, [_key(t) for t in left], [_key(t) for t in right], autojunk=False)
    if (left or right) and matcher.ratio() < MIN_SIMILARITY:
        return Diff([Piece(rejected, False)], [Piece(chosen, False)], marked=False)
    before: list[Piece] = []
    after: list[Piece] = []
    for op, a, b, c, d in matcher.get_opcodes():
        _add(before, "".join(left[a:b]), op != "equal")
        _add(after, "".join(right[c:d]), op != "equal")
    return Diff(before, after, marked=True)


def _tokens(rejected: str, chosen: str) -> tuple[list[str], list[str]]:
    left, right = _WORD.findall(rejected), _WORD.findall(chosen)
    times = Counter(right)
    if sum(times[token] for token in left) > MAX_WORK:
        return _SENTENCE.findall(rejected), _SENTENCE.findall(chosen)
    return left, right


def _key(token: str) -> str:
    """What must be equal: the word without its blanks, a line break with its indentation."""
    return token if token.startswith("\n") else token.strip(" ") or token


def _add(pieces: list[Piece], text: str, changed: bool) -> None:
    """Append a stretch; blanks at the end of a change are not part of it."""
    kept = text.rstrip(" ") if changed and text.strip() else text
    for part, mark in ((kept, changed), (text[len(kept) :], False)):
        if part and pieces and pieces[-1].changed == mark:
            pieces[-1] = Piece(pieces[-1].text + part, mark)
        elif part:
            pieces.append(Piece(part, mark))
