"""Words as the paraphrase layer weighs and compares them: a vector each, and how much each one tells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from curation.texts.embeddings import StaticEmbeddings

Vectors = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

MAX_VOCABULARY: Final = 200_000
"""Words remembered at a time, about 250 MB; more are looked up again."""

FLOOR: Final = 0.05
"""What a word that is everywhere still weighs."""

_NUMBER_WORDS: Final = {
    name: str(value)
    for value, name in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
            *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
            *("nineteen", "twenty"),
        )
    )
} | {
    **{"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80"},
    **{"ninety": "90", "hundred": "100", "thousand": "1000", "dozen": "12", "half": "1/2", "quarter": "1/4"},
    **{"twice": "2", "double": "2", "doubled": "2", "thrice": "3", "triple": "3", "tripled": "3"},
    **{"first": "1", "second": "2", "third": "3", "once": "1"},
}


def canonical(word: str) -> str:
    """A word with number words as digits: a paraphrase may say three where the item says 3."""
    return _NUMBER_WORDS.get(word, word)


def is_number(word: str) -> bool:
    """Whether a canonical word is a number."""
    return word[0].isdigit()


@dataclass(frozen=True, slots=True)
class Frequencies:
    """In how many documents of one kind each word occurs."""

    documents: int
    counts: Mapping[str, int]


def count_words(documents: Iterable[Iterable[str]]) -> Frequencies:
    """Document frequency of canonical words."""
    counts: dict[str, int] = {}
    total = 0
    for words in documents:
        total += 1
        for word in {canonical(word) for word in words}:
            counts[word] = counts.get(word, 0) + 1
    return Frequencies(total, counts)


@dataclass(slots=True)
class Vocabulary:
    """Number, vector and weight of words.

    A word's weight is its inverse document frequency in the collection where it is most common (the
    product's traffic, or one of the eval sets): what is common in either says little about a leak.
    """

    embeddings: StaticEmbeddings
    collections: Sequence[Frequencies]
    _ids: dict[str, int] = field(default_factory=dict)
    _vectors: Vectors = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    _weights: Weights = field(default_factory=lambda: np.zeros(0, np.float32))
    _numbers: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def learn(self, documents: Iterable[Iterable[str]]) -> list[Ids]:
        """Numbers of the distinct words of each document, in the order they first occur.

        They hold until the next call of `learn`.
        """
        if len(self._ids) > MAX_VOCABULARY:
            self._ids.clear()
        known = len(self._ids)
        ids = self._ids
        found = [
            np.fromiter(
                (ids.setdefault(word, len(ids)) for word in dict.fromkeys(map(canonical, words))), np.int64
            )
            for words in documents
        ]
        if len(ids) > known or not known:
            self._extend(list(ids)[known:] if known else list(ids), known)
        return found

    def _extend(self, words: list[str], known: int) -> None:
        vectors = self.embeddings.encode(words)
        weights = np.array([self.weight(word) for word in words], np.float32)
        numbers = np.array([is_number(word) for word in words], np.bool_)
        if known:
            vectors = np.concatenate((self._vectors, vectors))
            weights = np.concatenate((self._weights, weights))
            numbers = np.concatenate((self._numbers, numbers))
        self._vectors, self._weights, self._numbers = vectors, weights, numbers

    def weight(self, word: str) -> float:
        """How much a canonical word tells."""
        rarities = (
            math.log((c.documents + 1) / (c.counts.get(word, 0) + 1)) for c in self.collections if c.documents
        )
        return min(rarities, default=1.0) + FLOOR

    def vectors(self, ids: Ids) -> Vectors:
        """Unit vectors of words, (n, dimensions)."""
        return self._vectors[ids]

    def weights(self, ids: Ids) -> Weights:
        """Weights of words."""
        return self._weights[ids]

    def numbers(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which words are numbers."""
        return self._numbers[ids]

    def embed(self, documents: Sequence[Ids]) -> Vectors:
        """Unit vector of each document: its distinct words, weighted by the root of what they tell.

        Weighted means of static vectors: Arora et al., "A simple but tough-to-beat baseline for sentence
        embeddings" (2017), with inverse document frequencies as weights. Zero for an empty document.
        """
        result = np.zeros((len(documents), self.embeddings.dimensions), np.float32)
        for row, ids in zip(result, documents, strict=True):
            if ids.size:
                row[:] = np.sqrt(self._weights[ids]) @ self._vectors[ids]
        lengths = np.linalg.norm(result, axis=1, keepdims=True)
        np.divide(result, lengths, out=result, where=lengths > 0)
        return result
