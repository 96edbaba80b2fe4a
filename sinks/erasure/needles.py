"""What to look for when proving that a person is gone: ids and pieces of the person's own words.

A needle that other people's words hold too (a common question, a user id like `support`) proves nothing
within texts; it is still looked for as a whole value where ids stand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import polars as pl

from contracts.tables.persons import ID_COLUMNS

Kind = Literal["user_id", "user_key", "request", "session", "event", "text"]

SHORT: Final = 8
"""Ids with fewer characters are only looked for as whole values in columns of ids: `u1` is in many texts."""

PIECE: Final = 24
"""Fewest characters of a piece of text that tells whose it is."""

PIECE_MOST: Final = 40
"""Short enough that most of them outlive a redaction somewhere else in the text."""

RUNS_PER_TEXT: Final = 2
MOST_PIECES: Final = 4_000
"""Pieces of text looked for at most; of more, every n-th is."""

MOST_ALTERNATIVES: Final = 1_000
"""Needles that one regular expression looks for: two to three times as fast as polars' search for many
strings (measured for 100, 250 and 1,000), until it gets too large to be compiled."""

_PLAIN: Final = re.compile(r"""[^"'\\<>&\x00-\x1f\x7f\u2028\u2029]+""")
"""Runs of characters that JSON and HTML write as they are: a piece looks the same in every file."""

_WORD: Final = re.compile(r"[A-Za-z0-9_-]")


@dataclass(frozen=True)
class Needles:
    """Needle → what it is, for texts and bytes (`within`) and for columns of ids (`whole`).

    `hashed`: kind → hashes by `digest` of ids that are not known themselves any more.
    """

    within: dict[str, Kind]
    whole: dict[str, Kind]
    digest: Callable[[str, str], str] | None = None
    hashed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of_ids(cls, ids: Iterable[tuple[Kind, str]]) -> Needles:
        """Needles for ids."""
        given = [(kind, value) for kind, value in ids if value]
        return cls(
            within={value: kind for kind, value in given if len(value) >= SHORT},
            whole={value: kind for kind, value in given},
        )

    def with_texts(self, pieces: Iterable[str]) -> Needles:
        """The needles and pieces of text."""
        return replace(self, within={**dict.fromkeys(pieces, "text"), **self.within})

    def without(self, common: Iterable[str]) -> Needles:
        """The needles but for those that other people's texts hold."""
        gone = set(common)
        return replace(self, within={n: kind for n, kind in self.within.items() if n not in gone})

    def without_kind(self, kind: Kind) -> Needles:
        """The needles but for those of a kind."""
        return replace(
            self,
            within={n: k for n, k in self.within.items() if k != kind},
            whole={n: k for n, k in self.whole.items() if k != kind},
        )

    def search(self, texts: pl.Series) -> dict[str, int]:
        """Texts that hold a needle, by the needle. Ids count between word boundaries only."""
        if not self.within or texts.null_count() == texts.len():
            return {}
        sieved = texts.filter(self._sieve(texts).fill_null(value=False))
        found: dict[str, int] = {}
        for value in sieved:
            for needle in self.held_by(value):
                found[needle] = found.get(needle, 0) + 1
        return found

    def _sieve(self, texts: pl.Series) -> pl.Series:
        """Which texts hold a needle, word boundaries or not."""
        if len(self.within) > MOST_ALTERNATIVES:
            return texts.str.contains_any(list(self.within))
        return texts.str.contains("|".join(map(re.escape, self.within)))

    def held_by(self, text: str) -> Iterator[str]:
        """Needles that a text holds."""
        matched = pl.select(pl.lit(text).str.extract_many(list(self.within), overlapping=True)).item()
        for needle in set(matched):
            if self.within[needle] == "text" or _stands_alone(needle, text):
                yield needle

    def search_ids(self, column: str, values: pl.Series) -> dict[str, int]:
        """Whole values that are needles, in a column of ids; nothing for other columns."""
        kind = _IDS.get(column)
        if kind is None:
            return {}
        wanted = pl.Series(list(self.whole), dtype=pl.String)
        hits = values.filter(values.is_in(wanted.implode()).fill_null(value=False))
        found = dict(hits.value_counts().iter_rows()) if hits.len() else {}
        if self.digest is not None and (hashes := self.hashed.get(kind)):
            ours = sum(self.digest(kind, value) in hashes for value in values.drop_nulls().unique())
            found |= {f"#{kind}": ours} if ours else {}
        return found

    def counts(self) -> dict[str, Any]:
        """How many needles there are of each kind, for a certificate."""
        whole, within = Counter(self.whole.values()), Counter(self.within.values())
        ids = {f"{kind}_ids": whole[kind] for kind in ("request", "session", "event")}
        hashed = {f"{kind}_hashes": len(hashes) for kind, hashes in self.hashed.items() if hashes}
        return {**ids, **hashed, "pieces_of_text": within["text"]}

    def with_hashes(self, digest: Callable[[str, str], str], hashed: Mapping[str, frozenset[str]]) -> Needles:
        """The needles, and ids that only their hashes are known of."""
        return replace(self, digest=digest, hashed=hashed)

    def kind(self, needle: str) -> Kind:
        """What a needle is."""
        return self.within.get(needle) or self.whole.get(needle) or needle.lstrip("#")  # type: ignore[return-value]


_IDS: Final[dict[str, str]] = {
    **dict.fromkeys(ID_COLUMNS, "request"),
    **dict.fromkeys(("source_id", "target_id"), "request"),
    **dict.fromkeys(("session_id", "session_ids"), "session"),
    **dict.fromkeys(("event_id", "evidence_ids", "signal_ids", "outcome_ids"), "event"),
}
"""Columns of ids, and what most of them name."""


def _stands_alone(needle: str, text: str) -> bool:
    start = text.find(needle)
    while start >= 0:
        end = start + len(needle)
        before, after = text[start - 1 : start], text[end : end + 1]
        if not (before and _WORD.match(before)) and not (after and _WORD.match(after)):
            return True
        start = text.find(needle, start + 1)
    return False


def pieces(texts: Iterable[str]) -> list[str]:
    """Telling pieces of texts: beginning and end of each one's longest plain runs, at most `MOST_PIECES`."""
    found: dict[str, None] = {}
    for text in texts:
        runs = [run.strip() for run in _PLAIN.findall(text)]
        long = sorted((run for run in runs if len(run) >= PIECE), key=len, reverse=True)
        for run in long[:RUNS_PER_TEXT]:
            found.update(dict.fromkeys(cut.strip() for cut in (run[:PIECE_MOST], run[-PIECE_MOST:])))
    every = -(-len(found) // MOST_PIECES) or 1
    return list(found)[::every]
