"""Normal form and tokens of a text, the same for every gate that compares texts.

What vanishes: control and format characters (zero-width joiners, bidi marks), surrogates, variation
selectors, skin tones, enclosing marks. Then NFKC and case folding. Tokens are words of letters, marks and
digits; single characters in scripts without spaces between words (Chinese, Japanese, Thai, Lao, Khmer,
Myanmar), so that n-grams mean something there; emoji and other symbols one by one. Punctuation, currency
and mathematical signs only separate. Time is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

ALGORITHM: Final = "tokens@1"
"""Name and version of these rules; what is stored under one version is never compared with another's."""

SPACELESS: Final = (
    (0x0E01, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3040, 0x312F),  # kana, bopomofo
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x3FFFF),
)
"""Scripts written without spaces between words, as code point ranges; Hangul has spaces."""

_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_SELECTORS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


class _Dropped(dict[int, str | None]):
    """`str.translate` table that removes what vanishes before normalization; learns as it goes."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        kind = unicodedata.category(char)
        vanishes = (
            (kind in {"Cc", "Cf", "Cs"} and not char.isspace())
            or kind == "Me"
            or code in _SKIN_TONES
            or any(code in selectors for selectors in _SELECTORS)
        )
        self[code] = None if vanishes else char
        return self[code]


class _Separated(dict[int, str]):
    """`str.translate` table from folded text to tokens with spaces between them; learns as it goes."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        word = kind[0] in {"L", "M", "N"}
        if word and not any(first <= code <= last for first, last in SPACELESS):
            self[code] = char
        elif word or kind == "So":
            self[code] = f" {char} "
        else:
            self[code] = " "
        return self[code]


class _Joins(dict[str, bool]):
    """Whether normalization may merge a character with the one before it; learns as it goes."""

    def __missing__(self, char: str) -> bool:
        first = unicodedata.normalize("NFKD", char)[0]
        jamo = "\u1160" <= first <= "\u11ff" or "\ud7b0" <= first <= "\ud7ff"
        self[char] = jamo or unicodedata.category(first)[0] == "M"
        return self[char]


_DROPPED: Final = _Dropped()
_SEPARATED: Final = _Separated()
_JOINS: Final = _Joins()
_ASCII: Final = {
    code: None if _DROPPED[code] is None else _SEPARATED[ord(chr(code).lower())] for code in range(128)
}

_ASCII_DROPPED: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_ASCII_TOKEN: Final = re.compile(r"[A-Za-z0-9]+")


def _folded(text: str) -> str:
    """NFKC and case folding until nothing changes more (Unicode's NFKC_Casefold, by hand)."""
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


def tokens(text: str) -> list[str]:
    """Tokens in the order of the text; empty when there are none."""
    if text.isascii():
        return text.translate(_ASCII).split()
    return _folded(text.translate(_DROPPED)).translate(_SEPARATED).split()


def normalize(text: str) -> str:
    """The normal form: the tokens with one space between them.

    Equal normal forms mean equal tokens, so this is the text to hash when looking for exact copies.
    """
    return " ".join(tokens(text))


def token_spans(text: str) -> list[tuple[int, int]]:
    """Start and end in the original text of every token, in step with `tokens`.

    A character that normalizes to several tokens (㍿) gives each of them its own span.
    """
    if text.isascii() and not _ASCII_DROPPED.search(text):
        return [match.span() for match in _ASCII_TOKEN.finditer(text)]
    spans: list[tuple[int, int]] = []
    word_start = word_end = -1
    for start, end, folded in _clusters(text):
        for char in folded:
            separated = _SEPARATED[ord(char)]
            if len(separated) == 1 and separated != " ":
                word_start = start if word_start < 0 else word_start
                word_end = end
                continue
            if word_start >= 0:
                spans.append((word_start, word_end))
                word_start = -1
            if separated != " ":
                spans.append((start, end))
    if word_start >= 0:
        spans.append((word_start, word_end))
    return spans


def _clusters(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and folded form of each character with what normalization may merge into it."""
    start = end = -1
    held = ""
    for position, char in enumerate(text):
        if _DROPPED[ord(char)] is None:
            continue
        if held and not _JOINS[char]:
            yield start, end, _folded(held)
            held = ""
        if not held:
            start = position
        held += char
        end = position + 1
    if held:
        yield start, end, _folded(held)
