"""A text as detectors see it: same length, with the many forms of digits, dashes and spaces made plain."""

from __future__ import annotations

import re
import unicodedata
from typing import Final


def _table() -> dict[int, str]:
    spaces = (
        "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    )
    # Invisible marks around numbers in right-to-left texts, and joiners that only break a word.
    marks = "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060"
    marks += "\u2066\u2067\u2068\u2069\ufeff\u00ad"
    table = dict.fromkeys(map(ord, spaces + marks), " ")
    table |= dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"), "-")
    # Full-width ASCII, as Chinese and Japanese keyboards write it.
    table |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if code != 0xFF0D}
    for zero in (0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50):
        table |= {zero + n: str(n) for n in range(10)}
    table[ord("\u2019")] = "'"
    assert all(len(unicodedata.normalize("NFC", chr(code))) == 1 for code in table)
    return table


_TABLE: Final = _table()
_ODD: Final = re.compile(f"[{re.escape(''.join(map(chr, _TABLE)))}]")


def plain(text: str) -> str:
    """The text with digits of other scripts, full-width signs, dashes, spaces and marks as ASCII.

    Every character stays one character, so that spans found here are spans of the text itself.
    """
    if text.isascii():
        return text
    # `str.translate` looks every character up; these are few.
    return _ODD.sub(lambda match: _TABLE[ord(match[0])], text)
