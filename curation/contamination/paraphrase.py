"""The paraphrase layer: items told in other words, and code with the same task.

A passage's nearest items by static embeddings are candidates; one is a hit when a second comparison, of what
the words tell (`agreement`), sets it apart from the item's other neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.contamination.agreement import Agreement, agreements
from curation.contamination.neighbours import Quantized, nearest
from curation.contamination.passages import Passage, passages, whole
from curation.contamination.words import Frequencies, Ids, Vocabulary, count_words
from curation.texts.embeddings import StaticEmbeddings

MIN_COSINE: Final = 0.42
"""Neighbours farther than this are not looked at: of 660 paraphrases 2 % lie there, of traffic 95 %."""

NEIGHBOURS: Final = 12
CLOSEST: Final = 4
"""An item is compared with those of the passage's neighbours that follow the closest ones: these may be the
item's own versions or copies in other sets."""

USUAL_OVERLAP: Final = 0.3
"""Overlap of a passage with a neighbour that is none of its sources; stands in where there are too few."""

MIN_WORDS: Final = 10
MIN_WORDS_CODE: Final = 6
"""Distinct words a passage and an item need. Of shorter ones too little can be said ("Can you teach me how to
…" agrees with "How do you like dancing? Can you teach me?"); names in code say more than words do."""

MIN_SET: Final = 50
"""Items a set needs before the frequencies of words within it mean anything."""

INTERCEPT: Final = -7.87
COEFFICIENTS: Final = {
    "cosine": 3.57,
    "recall": 0.84,
    "precision": 1.45,
    "margin": 16.7,
    "numbers_of_item": 1.47,
    "numbers_of_passage": 0.47,
    "has_numbers": -1.76,
    "is_code": -0.46,
}
"""Logistic regression on paraphrases of one half of the items, with the originals of items that were not
registered and ordinary dialogue as negatives (`benchmarks/contamination_fit.py` fits it and reports on the
other half)."""

THRESHOLD: Final = 0.5
THRESHOLD_CODE: Final = 0.2
"""Probability from which a neighbour is a hit. Lower for code: most paraphrases the fit has seen are prose,
so it is too sure that code is none."""

HITS: Final = pl.Schema(
    {"text": pl.Int64(), "unit": pl.Int64(), "score": pl.Float64(), "start": pl.Int64(), "end": pl.Int64()}
)
_BATCH: Final = 4_096

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the decision about one candidate rests on; the names are those of `COEFFICIENTS`."""

    cosine: float
    agreement: Agreement
    margin: float
    is_code: bool

    def features(self) -> dict[str, float]:
        """The values that `COEFFICIENTS` weigh."""
        numeric = self.agreement.numbers_of_item is not None and not self.is_code
        of_item, of_passage = self.agreement.numbers_of_item, self.agreement.numbers_of_passage
        return {
            "cosine": self.cosine,
            "recall": self.agreement.recall,
            "precision": self.agreement.precision,
            "margin": self.margin,
            "numbers_of_item": (of_item or 0.0) if numeric else 0.0,
            "numbers_of_passage": (of_passage or 0.0) if numeric else 0.0,
            "has_numbers": float(numeric),
            "is_code": float(self.is_code),
        }

    @property
    def threshold(self) -> float:
        """Probability from which this is a hit."""
        return THRESHOLD_CODE if self.is_code else THRESHOLD

    def probability(self) -> float:
        """How likely the passage is a paraphrase of the item."""
        logit = INTERCEPT + sum(COEFFICIENTS[name] * value for name, value in self.features().items())
        return 1 / (1 + math.exp(-logit))


class ParaphraseIndex:
    """Vectors of units with their texts. Pickled without its vocabulary, which every process makes anew."""

    def __init__(self, texts: pl.Series, numbers: Places, frequencies: Sequence[Frequencies]) -> None:
        """`texts` of the units indexed, and their numbers among all units."""
        self._texts = texts
        self._numbers = numbers
        self._frequencies = tuple(frequencies)
        self._vectors = Quantized.of(np.zeros((0, 1), np.float32))
        self._vocabulary: Vocabulary | None = None
        self.sizes: tuple[int, ...] = ()

    @classmethod
    def build(cls, units: pl.DataFrame, numbers: Places, traffic: Frequencies) -> ParaphraseIndex:
        """Index the rows `numbers` of units (`eval_set`, `text`). `traffic`: words in the product's own."""
        units = units.select("eval_set", "text")[numbers]
        sets = [
            count_words(whole(text).words for text in part["text"])
            for part in units.partition_by("eval_set", maintain_order=True)
            if part.height >= MIN_SET
        ]
        index = cls(units["text"], numbers, [traffic, *sets])
        parts: list[Quantized] = []
        lengths: list[int] = []
        for part in units["text"].to_frame().iter_slices(_BATCH):
            found = [whole(text) for text in part["text"]]
            lengths.extend(len(passage.words) for passage in found)
            vocabulary = index.vocabulary
            parts.append(Quantized.of(vocabulary.embed(vocabulary.learn(p.words for p in found))))
        if parts:
            index._vectors = Quantized(
                np.concatenate([part.values for part in parts]), np.concatenate([p.scales for p in parts])
            )
            middle, long = np.quantile(lengths, [0.5, 0.9])
            index.sizes = tuple(sorted({max(12, int(middle)), max(12, int(long))}))
        return index

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_vocabulary": None}

    @property
    def vocabulary(self) -> Vocabulary:
        """The words of this process."""
        if self._vocabulary is None:
            self._vocabulary = Vocabulary(StaticEmbeddings.load(), self._frequencies)
        return self._vocabulary

    def check(self, texts: Sequence[str]) -> pl.DataFrame:
        """Hits (`HITS`) of each text: for every unit the likeliest passage; positions are characters."""
        frames = [pl.DataFrame(schema=HITS)]
        if len(self._vectors):
            frames += [
                pl.DataFrame(self._hits(batch), schema=HITS, orient="row")
                for batch in passage_batches(texts, self.sizes)
            ]
        found = pl.concat(frames).sort(
            "text", "unit", "score", "start", descending=[False, False, True, False]
        )
        return found.unique(["text", "unit"], keep="first", maintain_order=True)

    def _hits(self, batch: list[tuple[int, Passage]]) -> list[tuple[int, int, float, int, int]]:
        found = []
        for (text, passage), unit, evidence in self.candidates(batch):
            if (score := evidence.probability()) >= evidence.threshold:
                found.append((text, self.unit(unit), score, passage.start, passage.end))
        return found

    def candidates(
        self, batch: list[tuple[int, Passage]]
    ) -> Iterator[tuple[tuple[int, Passage], int, Evidence]]:
        """Passages near enough to a unit to be looked at, with the unit and the evidence."""
        vocabulary = self.vocabulary
        near, cosines = nearest(
            self._vectors, vocabulary.embed(vocabulary.learn(p.words for _, p in batch)), NEIGHBOURS
        )
        close = np.flatnonzero(cosines[:, 0] >= MIN_COSINE)
        if not len(close):
            return
        units = np.unique(near[close])
        items = [self._item(int(unit)) for unit in units]
        learned = vocabulary.learn([*(batch[i][1].words for i in close), *(item.words for item in items)])
        words: dict[int, Ids] = dict(zip(units.tolist(), learned[len(close) :], strict=True))
        item_of = dict(zip(units.tolist(), items, strict=True))
        for row, passage_words in zip(close.tolist(), learned, strict=False):
            passage = batch[row][1]
            neighbours = near[row].tolist()
            agreed_with = agreements(vocabulary, passage_words, [words[unit] for unit in neighbours])
            usual = _usual([agreed.overlap for agreed in agreed_with])
            for unit, cosine, agreed in zip(neighbours, cosines[row].tolist(), agreed_with, strict=True):
                code = passage.is_code and item_of[unit].is_code
                least = MIN_WORDS_CODE if code else MIN_WORDS
                if cosine >= MIN_COSINE and min(passage_words.size, words[unit].size) >= least:
                    yield batch[row], unit, Evidence(cosine, agreed, agreed.overlap - usual, code)

    def unit(self, number: int) -> int:
        """Number among all units of one that is indexed here."""
        return int(self._numbers[number])

    def _item(self, unit: int) -> Passage:
        return _whole(self._texts[unit])


@lru_cache(maxsize=8_192)
def _whole(text: str) -> Passage:
    return whole(text)


def _usual(overlaps: list[float]) -> float:
    """Mean overlap with the neighbours that are not among the closest."""
    filled = sorted(overlaps + [USUAL_OVERLAP] * (NEIGHBOURS - len(overlaps)))
    rest = filled[: NEIGHBOURS - CLOSEST]
    return sum(rest) / len(rest)


def passage_batches(texts: Sequence[str], sizes: Sequence[int]) -> Iterator[list[tuple[int, Passage]]]:
    """Passages with the number of their text, some thousand at a time."""
    batch: list[tuple[int, Passage]] = []
    for number, text in enumerate(texts):
        for passage in passages(text, sizes):
            if len(passage.words) >= MIN_WORDS_CODE:
                batch.append((number, passage))
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch
