"""What detectors return, how overlaps are decided, and the placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from contracts.settings import RedactionKind

PLACEHOLDERS: Final[dict[RedactionKind, str]] = {
    "secret": "SECRET",
    "credentials": "CREDENTIALS",
    "email": "EMAIL",
    "iban": "IBAN",
    "card": "CARD",
    "national_id": "NATIONAL_ID",
    "phone": "PHONE",
    "ip": "IP_ADDRESS",
    "name": "PERSON",
}
"""Kind → word of its placeholder, the kind that wins an overlap first."""

KINDS: Final = tuple(PLACEHOLDERS)
_RANK: Final = {kind: rank for rank, kind in enumerate(KINDS)}
_KIND_OF: Final = {word: kind for kind, word in PLACEHOLDERS.items()}

# At most six digits: a longer number in angle brackets is no placeholder but may be somebody's number.
PLACEHOLDER: Final = re.compile(rf"<({'|'.join(PLACEHOLDERS.values())})_([1-9][0-9]{{0,5}})>")
"""A placeholder as it stands in a text, ours or one that was there before."""


class Finding(NamedTuple):
    """A span of a text that holds personal data or a secret.

    `key`: the value in the form in which equal values are equal (an address in lower case, the digits of
    a number). `sure`: the span counts by itself; one that is not counts only where the same key is sure
    somewhere in the same conversation.
    """

    start: int
    end: int
    kind: RedactionKind
    key: str
    sure: bool = True


def placeholder(kind: RedactionKind, number: int) -> str:
    """The text that stands for a value."""
    return f"<{PLACEHOLDERS[kind]}_{number}>"


def placeholders_in(text: str) -> Iterable[tuple[RedactionKind, int, int, int]]:
    """Placeholders a text already holds: kind, number, start, end."""
    for match in PLACEHOLDER.finditer(text):
        yield _KIND_OF[match[1]], int(match[2]), match.start(), match.end()


def resolve(findings: Iterable[Finding], taken: Iterable[tuple[int, int]] = ()) -> list[Finding]:
    """Findings without overlaps, in the order of the text: by kind, then the longer, then the first one.

    Nothing is kept that touches a span in `taken`.
    """
    ranked = sorted(set(findings), key=lambda f: (_RANK[f.kind], f.start - f.end, f.start))
    kept: list[Finding] = []
    used = sorted(taken)
    for found in ranked:
        place = _insertion(used, found.start)
        clear_before = place == 0 or used[place - 1][1] <= found.start
        clear_after = place == len(used) or used[place][0] >= found.end
        if clear_before and clear_after:
            used.insert(place, (found.start, found.end))
            kept.append(found)
    return sorted(kept)


def _insertion(spans: list[tuple[int, int]], start: int) -> int:
    low, high = 0, len(spans)
    while low < high:
        middle = (low + high) // 2
        if spans[middle][0] < start:
            low = middle + 1
        else:
            high = middle
    return low
