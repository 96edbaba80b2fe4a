"""Payment cards and IBANs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from stdnum import iban as stdnum_iban
from stdnum import luhn, numdb

from curation.redaction.context import before, is_other_number, words
from curation.redaction.findings import Finding

_CARD: Final = re.compile(
    r"(?<![A-Za-z0-9_])(?<![0-9][.,-])[0-9](?:[ -]{0,2}[0-9]){11,30}(?![A-Za-z0-9_]|[.,][0-9])"
)
_GROUP: Final = re.compile(r"[0-9]+")
_CARD_WORDS: Final = words(
    r"card|visa|master ?card|amex|american express|discover|diners|maestro|credit|debit|charge|pan\b|cvv|"
    r"cvc|"
    r"karte|carte|tarjeta|carta|cartão|kaart|karta|kort|карт|カード|卡|카드|بطاقة"
)
# Issuer ranges and lengths: ISO/IEC 7812 as the networks publish them.
_ISSUERS: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|"
    r"7[01][0-9]|720)[0-9]{12}|"
    r"3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}|(?:6011|65[0-9]{2}|64[4-9][0-9]|62[0-9]{2})[0-9]{12}|"
    r"35[0-9]{14}|(?:50|5[6-9]|6[0-9])[0-9]{10,17}"
)
_WIDTHS: Final = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (6, 13)})

_IBAN: Final = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z]{2}[0-9]{2}(?=[ -]?[A-Za-z0-9]{2})")
_SIZES: dict[str, int | None] = {}


CARD_SIEVE: Final = r"[0-9](?:[ -]{0,2}[0-9]){11}"
IBAN_SIEVE: Final = r"[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11}"


def cards(text: str) -> Iterator[Finding]:
    """Card numbers: an issuer's range and length, the Luhn digit, and no word that says otherwise."""
    for match in _CARD.finditer(text):
        groups = [(match.start() + g.start(), match.start() + g.end()) for g in _GROUP.finditer(match[0])]
        if (found := _card_among(text, groups)) is not None:
            yield found


def _card_among(text: str, groups: list[tuple[int, int]]) -> Finding | None:
    """The longest run of whole groups that is a card number."""
    best: Finding | None = None
    for first in range(len(groups)):
        digits = ""
        for last in range(first, len(groups)):
            start, end = groups[last]
            digits += text[start:end]
            if len(digits) > 19:
                break
            if len(digits) < 12 or not _ISSUERS.fullmatch(digits) or not luhn.is_valid(digits):
                continue
            found = Finding(groups[first][0], end, "card", digits)
            widths = tuple(e - s for s, e in groups[first : last + 1])
            if _is_card(text, found, widths) and (best is None or end - found.start > best.end - best.start):
                best = found
    return best


def _is_card(text: str, found: Finding, widths: tuple[int, ...]) -> bool:
    if _CARD_WORDS.search(before(text, found.start, 60)) or _CARD_WORDS.search(
        text[found.end : found.end + 30]
    ):
        return True
    if is_other_number(text, found.start):
        return False
    digits = found.key
    common = (
        len(digits) in {15, 16}
        and digits[0] in "23456"
        and not digits.startswith(("50", "56", "57", "58", "6"))
    )
    return widths in _WIDTHS or (len(widths) == 1 and (common or digits.startswith(("6011", "65"))))


def ibans(text: str) -> Iterator[Finding]:
    """IBANs with or without spaces: as long as their country's are, with valid check digits."""
    for match in _IBAN.finditer(text):
        country = match[0][:2].upper()
        size = _iban_size(country)
        if size is None:
            continue
        end = _take(text, match.start(), size)
        if end is None:
            continue
        key = re.sub(r"[ -]", "", text[match.start() : end]).upper()
        if stdnum_iban.is_valid(key, check_country=False):
            yield Finding(match.start(), end, "iban", key)


def _iban_size(country: str) -> int | None:
    """Length of a country's IBANs, from the registry that python-stdnum ships."""
    if country not in _SIZES:
        info = numdb.get("iban").info(f"{country}00")[0][1]
        bban = info.get("bban", "")
        _SIZES[country] = 4 + sum(int(n) for n in re.findall(r"([0-9]+)!", bban)) if bban else None
    return _SIZES[country]


def _take(text: str, start: int, size: int) -> int | None:
    """End of `size` letters and digits from `start`, at most one space or hyphen between two."""
    at, taken, gap = start, 0, False
    while taken < size:
        if at >= len(text):
            return None
        if text[at].isascii() and text[at].isalnum():
            taken, gap = taken + 1, False
        elif text[at] in " -" and not gap:
            gap = True
        else:
            return None
        at += 1
    return None if at < len(text) and text[at].isascii() and text[at].isalnum() else at
