"""What is ordinary in the product's own traffic, so that it raises no alarm.

Learned from a sample of sessions: a phrase or a whole turn counts as the product's own when enough of
them hold it, as those with the same system prompt do; and words weigh by how rare they are there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from curation.contamination.literal import SHORT, digests
from curation.contamination.words import Frequencies, canonical
from curation.texts.hashing import Hashes, hash_tokens, ngrams
from curation.texts.tokens import tokens

MIN_SESSIONS: Final = 20
MIN_SHARE: Final = 0.002
"""What is in at least so many sessions, and in this share of them, is the product's own."""

MAX_WORDS: Final = 200_000
"""Words whose frequencies are kept: the most frequent ones."""

_NONE: Final = np.zeros(0, np.uint64)


@dataclass(frozen=True, slots=True)
class Background:
    """Frequent runs of eight words and frequent whole turns (as hashes, sorted), and word frequencies."""

    runs: Hashes = field(default_factory=lambda: _NONE)
    turns: Hashes = field(default_factory=lambda: _NONE)
    words: Frequencies = field(default_factory=lambda: Frequencies(0, {}))
    sessions: int = 0


def learn(sessions: Iterable[list[str]], runs: Hashes, turns: Hashes) -> Background:
    """Learn from the turns of each session (once per session).

    Only what eval sets hold is counted: `runs` and `turns` are the sorted distinct hashes of their runs and
    of their whole texts, so memory does not grow with the traffic. The order of sessions does not matter.
    """
    run_counts, turn_counts = np.zeros(len(runs), np.int64), np.zeros(len(turns), np.int64)
    words: dict[str, int] = {}
    total = 0
    for texts in sessions:
        total += 1
        split = [tokens(text) for text in texts]
        for word in {canonical(word) for part in split for word in part}:
            words[word] = words.get(word, 0) + 1
        if len(words) > 4 * MAX_WORDS:
            words = _most_frequent(words, 2 * MAX_WORDS)
        hashed = hash_tokens(split)
        run_counts[_known(ngrams(hashed, SHORT, whole_if_shorter=False).flat, runs)] += 1
        turn_counts[_known(digests(hashed), turns)] += 1
    least = max(MIN_SESSIONS, MIN_SHARE * total)
    return Background(
        runs=runs[run_counts >= least],
        turns=turns[turn_counts >= least],
        words=Frequencies(total, _most_frequent(words, MAX_WORDS)),
        sessions=total,
    )


def _known(hashes: Hashes, known: Hashes) -> np.ndarray:
    """Places in the sorted `known` of those hashes that are in it, each once."""
    if not len(known):
        return np.zeros(0, np.int64)
    place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.unique(place[known[place] == hashes])


def _most_frequent(words: dict[str, int], count: int) -> dict[str, int]:
    if len(words) <= count:
        return words
    return dict(sorted(words.items(), key=lambda entry: (-entry[1], entry[0]))[:count])
