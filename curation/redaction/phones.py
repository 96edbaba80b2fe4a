"""Phone numbers: candidates by their shape, decided by libphonenumber and by the words around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import phonenumbers

from curation.redaction.context import after, before, is_other_number, label, words
from curation.redaction.findings import Finding

_CANDIDATE: Final = re.compile(
    r"(?<![A-Za-z0-9_+/#@])(?<![0-9][.,:-])(?<![A-Za-z0-9_]\()"
    r"(?:\(?\+ ?|\()?[0-9](?:[ ()./-]{0,3}[0-9]){5,24}"
    r"(?: ?(?:ext\.?|extension|x) ?[0-9]{1,5})?(?![A-Za-z0-9_]|[,:/.-][0-9])"
)
_GROUP: Final = re.compile(r"[+(]{0,3}[0-9]+\)?|(?:ext\.?|extension|x) ?[0-9]+")

_CUE: Final = (
    r"phones?|tel\b|telefon\w*|tel[ée]fono|telefone|t[ée]l[ée]phone|telephone|t[ée]l\b|call(?:s|ed|"
    r"ing)?\b|mobile|cell(?:phone)?\b|fax|sms|"
    r"texts?\b|texting|whats ?app|signal\b|telegram|viber|dial|ring\b|rings\b|reach(?:able|ed)?\b|"
    r"contact\b|hotline|helpline|"
    r"(?:direct|phone|land|hot|desk|office|help) ?line|extension|voicemail|handy\w*|rufnummer|mobil\w*|"
    r"m[óo]vil|celular|"
    r"portable|appele\w*|joindre|ll[aá]m\w*|chiam\w*|cellulare|lig(?:ue|ar|a)\b|telem[óo]vel|bel\b|"
    r"bellen|gsm|zadzwo\w*|"
    r"komórk\w*|ring (?:mig|meg)|puh\w*|puhelin\w*|(?<![A-Za-z])ruf(?:e|en|"
    r"t)?\b(?: sie)?(?: mich)?|anruf\w*|erreichbar|erreiche\w*|"
    r"電話|电话|手机号?|手機|携帯|联系|전화|휴대폰|연락|телефон\w*|звон\w*|тел\b|номер|هاتف\w*|جوال\w*|اتصل|رقم|טלפון|נייד|"
    r"फ़ोन|फोन|मोबाइल|โทร|"
    r"điện thoại|τηλ\w*|(?:home|work|office|mobile|daytime|evening|main)(?= ?:)|my number|his number|"
    r"her number|our number|their number|(?:contact|home|work|office|emergency) number"
)
_WORDS: Final = words(_CUE)
_LABEL: Final = label(_CUE)
_DATE: Final = re.compile(
    r"(?:19|20)[0-9]{2}[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:0?[1-9]|[12][0-9]|3[01])(?![0-9])|"
    r"(?:0?[1-9]|[12][0-9]|3[01])[-./](?:0?[1-9]|[12][0-9]|3[01])[-./](?:19|20)[0-9]{2}(?![0-9])"
)
_MOST_DIGITS: Final = 13
_CLOSE: Final = 24
"""How near a word has to be to a number without any form, characters."""
_ARGUMENTS: Final = re.compile(r"[A-Za-z0-9_]\([^()\n]*\Z")
_YEARS: Final = re.compile(r"\(?(?:19|20)[0-9]{2}\)? ?[-/] ?\(?(?:19|20)[0-9]{2}\)?")
_NANP: Final = re.compile(
    r"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}([.-]))[2-9][0-9]{2}(?(1)\1|[ .-])[0-9]{4}"
)
_TRUNK: Final = re.compile(r"\(?0[1-9][0-9]{1,4}\)?[ /-][0-9]{3,8}(?:[ -][0-9]{2,5}){0,3}")

REGIONS: Final = (
    *("US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "AT", "CH", "PL", "SE", "NO", "DK", "FI", "IE", "PT"),
    *("IN", "BR", "MX", "AU", "JP", "CN", "KR", "TR", "ZA", "CZ", "GR", "HU", "RO", "RU", "UA", "IL", "AE"),
    *(
        "SA",
        "EG",
        "NG",
        "KE",
        "PK",
        "BD",
        "ID",
        "MY",
        "SG",
        "PH",
        "TH",
        "VN",
        "HK",
        "TW",
        "NZ",
        "AR",
        "CL",
        "CO",
        "PE",
    ),
)
"""Regions whose national formats are known without a country code."""
_TRUNK_REGIONS: Final = (
    "GB",
    "DE",
    "AT",
    "NL",
    "BE",
    "CH",
    "SE",
    "IE",
    "IT",
    "JP",
    "AU",
    "ZA",
    "TR",
    "IN",
    "KR",
    "CN",
)


SIEVE: Final = r"[0-9](?:[ ()./-]{0,3}[0-9]){5}"


def phone_numbers(text: str) -> Iterator[Finding]:
    """Phone numbers.

    Sure: valid in international form; in a national form that is unmistakable; valid in some region near
    a word such as `call`; of a possible length right after one. The key is the number without country
    code and trunk zeros, so that both forms are the same number.
    """
    for match in _CANDIDATE.finditer(text):
        groups = [(match.start() + g.start(), match.start() + g.end()) for g in _GROUP.finditer(match[0])]
        if (found := _number_among(text, groups)) is not None:
            yield found


def _number_among(text: str, groups: list[tuple[int, int]]) -> Finding | None:
    """The longest run of whole groups from the first one that is a number; a weak finding else."""
    start = groups[0][0]
    ends = [end for _, end in groups[:12]]
    for end in reversed(ends):
        if _is_number(text, start, _trimmed(text, start, end)):
            whole = text[start : ends[-1]]
            # Half a number must not stay behind because some region has a shorter one.
            if (
                end < ends[-1]
                and sum(c.isdigit() for c in whole) <= _MOST_DIGITS
                and _has_cue(text, start, ends[-1])
            ):
                end = ends[-1]
            return _found(text, start, end, sure=True)
    # A list of numbers, or a number that follows another one.
    for place in range(1, min(len(groups), 12)):
        head = groups[place][0]
        if text[head] in "+(" or text[max(0, head - 2) : head] in {", ", "; ", "/ "}:
            return _number_among(text, groups[place:])
    return _found(text, start, ends[-1], sure=False)


def _found(text: str, start: int, end: int, *, sure: bool) -> Finding:
    end = _trimmed(text, start, end)
    number = text[start:end]
    if number.startswith("(") and ")" not in number:
        start += 1
    return Finding(start, end, "phone", _key(text[start:end]), sure)


def _trimmed(text: str, start: int, end: int) -> int:
    """A closing bracket belongs to the number only when it was opened in it."""
    piece = text[start:end]
    return end - 1 if piece.endswith(")") and piece.count("(") < piece.count(")") else end


def _is_number(text: str, start: int, end: int) -> bool:
    number = text[start:end]
    digits = re.sub(r"[^0-9]", "", number)
    if not 7 <= len(digits) <= 20 or len(set(digits)) == 1:
        return False
    if number.lstrip("(").startswith("+"):
        return _valid(number, None) or (
            len(digits) >= 9 and (_possible(number, None) or _is_called(text, start))
        )
    if _DATE.match(number) or _YEARS.fullmatch(number) or _is_sum(text, end):
        return False
    called = _is_called(text, start)
    if called and 7 <= len(digits) <= 15:
        return True
    if number.startswith("00") and len(digits) >= 10 and _valid("+" + number[2:].lstrip(" "), None):
        return not is_other_number(text, start)
    if is_other_number(text, start):
        return False
    if _NANP.fullmatch(number):
        return _valid(number, "US")
    if _ARGUMENTS.search(before(text, start)):
        return False
    if called or _has_cue(text, start, end):
        close = called or (not number.endswith("000") and _WORDS.search(before(text, start, _CLOSE)))
        if number.isdigit() and not close and (len(number) < 9 or number.endswith("000")):
            return False
        return any(_valid(number, region) for region in REGIONS)
    return bool(_TRUNK.fullmatch(number)) and any(_valid(number, region) for region in _TRUNK_REGIONS)


def _has_cue(text: str, start: int, end: int) -> bool:
    """Whether the words around speak of phones."""
    return bool(_WORDS.search(before(text, start)) or _WORDS.search(after(text, end)))


def _is_called(text: str, start: int) -> bool:
    """Whether the words right before say that a phone number follows."""
    return _LABEL.search(before(text, start)) is not None


def _is_sum(text: str, end: int) -> bool:
    """Whether the digits are part of a calculation or an amount."""
    return (
        re.match(
            r"\s?(?:[=*%^×÷€$£]|\+ ?[0-9]|(?:USD|EUR|GBP|bytes|ms|kb|mb|rows|km|kg)\b)", text[end : end + 8]
        )
        is not None
    )


@lru_cache(maxsize=4096)
def _valid(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _possible(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def _key(number: str) -> str:
    """The national number: what stays when country code and trunk zeros go."""
    head = re.split(r"ext|x", number, maxsplit=1)[0]
    if head.lstrip("(").startswith(("+", "00")):
        try:
            parsed = phonenumbers.parse(re.sub(r"^\(?00", "+", head), None)
        except phonenumbers.NumberParseException:
            pass
        else:
            return str(parsed.national_number)
    return re.sub(r"[^0-9]", "", head).lstrip("0")
