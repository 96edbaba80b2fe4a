"""Whether a passage says what an eval item says: the second signal that confirms a near neighbour.

Ordinary questions of the same kind are near neighbours too (every word problem about apples is). A
paraphrase also keeps what makes the item this item: its rare words or synonyms of them, its numbers, the
words of its task. Word order does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from curation.contamination.words import Ids, Vocabulary

SYNONYM_FLOOR: Final = 0.3
"""Cosine of two different words below which they have nothing in common."""

SYNONYM_CAP: Final = 0.8
"""Most that a different word counts for."""

FEATURES: Final = ("cosine", "recall", "precision", "margin", "number_recall", "number_precision")


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well a passage and an item agree, before the comparison with the item's neighbours.

    `recall`: share of what the item tells (weight of its words) that the passage tells; `precision`: the
    reverse; `numbers_of_item`, `numbers_of_passage`: share of the numbers of one that the other has, None
    when it has none.
    """

    recall: float
    precision: float
    numbers_of_item: float | None
    numbers_of_passage: float | None

    @property
    def overlap(self) -> float:
        """Harmonic mean of recall and precision."""
        total = self.recall + self.precision
        return 2 * self.recall * self.precision / total if total else 0.0


def agreement(vocabulary: Vocabulary, passage: Ids, item: Ids) -> Agreement:
    """Agreement of two sets of words: each word is paired with the most similar one of the other side.

    After BERTScore (Zhang et al., 2020), with static vectors and inverse document frequencies; numbers
    agree only when they are equal.
    """
    if not passage.size or not item.size:
        return Agreement(0.0, 0.0, None, None)
    equal = item[:, None] == passage[None, :]
    numbers_i, numbers_p = vocabulary.numbers(item), vocabulary.numbers(passage)
    similar = vocabulary.vectors(item) @ vocabulary.vectors(passage).T
    similar = np.clip((similar - SYNONYM_FLOOR) / (1 - SYNONYM_FLOOR), 0.0, SYNONYM_CAP)
    similar[numbers_i[:, None] | numbers_p[None, :]] = 0.0
    similar[equal] = 1.0
    found_i, found_p = equal.any(axis=1), equal.any(axis=0)
    return Agreement(
        recall=_share(similar.max(axis=1), vocabulary.weights(item)),
        precision=_share(similar.max(axis=0), vocabulary.weights(passage)),
        numbers_of_item=float(found_i[numbers_i].mean()) if numbers_i.any() else None,
        numbers_of_passage=float(found_p[numbers_p].mean()) if numbers_p.any() else None,
    )


def _share(values: npt.NDArray[np.floating], weights: npt.NDArray[np.floating]) -> float:
    return float((values * weights).sum() / weights.sum())
