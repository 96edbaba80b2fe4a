"""National identity, tax and social security numbers in texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from curation.redaction.context import WINDOW, after, before, is_other_number, words
from curation.redaction.findings import Finding
from curation.redaction.national_rules import RULES, Rule

# A run with at least six digits, letters in between; or the Indian PAN, which has four.
_RUN: Final = re.compile(
    r"[0-9](?:[ ./-]?(?:[A-Z]{0,6}|[a-z])[ ./+(-]?[0-9]){5,}|[A-Za-z]{5}[0-9]{4}[A-Za-z]"
)
_BEFORE, _AFTER = 10, 14
_ANY_NAME: Final = words(
    r"national id\w*|identity (?:card|number)|identification (?:number|no)|tax(?:payer)? id\w*|tin\b|"
    r"social security|"
    r"citizen\w* (?:id|number|card)|personal (?:number|id\w*|code)|id (?:card|number|no)\b|government id"
)


SIEVE: Final = _RUN.pattern


def national_ids(text: str) -> Iterator[Finding]:
    """Numbers of `RULES`: by name, by name and check digits, or by unmistakable shape and check digits."""
    for start, end in _windows(text):
        for rule in RULES:
            for match in rule.pattern.finditer(text, start, end):
                if match.end() == end < len(text) and text[end].isalnum():
                    continue
                yield Finding(
                    match.start(),
                    match.end(),
                    "national_id",
                    _key(match[0]),
                    sure=_is_sure(text, rule, match),
                )


def _is_sure(text: str, rule: Rule, match: re.Match[str]) -> bool:
    number, start = match[0], match.start()
    words_before = before(text, start, WINDOW + 16)
    words_after = after(text, match.end(), WINDOW)
    if rule.label.search(words_before) or rule.label_after.match(words_after):
        return sum(c.isdigit() for c in number) >= 4
    is_near = any(
        pattern.search(place)
        for pattern in ((rule.words, _ANY_NAME) if rule.can_check else (rule.words,))
        for place in (words_before, words_after)
    )
    if is_near and rule.telling is not None and rule.telling.fullmatch(number):
        return True
    if not rule.is_valid(number):
        return False
    if is_near and rule.can_check:
        return True
    alone = rule.unmistakable
    return alone is not None and alone.fullmatch(number) is not None and not is_other_number(text, start)


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Parts of a text around runs of digits; parts that touch are one."""
    open_start, open_end = -1, -1
    for match in _RUN.finditer(text):
        start, end = max(0, match.start() - _BEFORE), min(len(text), match.end() + _AFTER)
        if start <= open_end:
            open_end = end
            continue
        if open_end > 0:
            yield open_start, open_end
        open_start, open_end = start, end
    if open_end > 0:
        yield open_start, open_end


def _key(number: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", number.upper())
