"""Whether a passage says what an eval item says: the second signal that confirms a near neighbour.

Ordinary questions of the same kind are near neighbours too (every word problem about apples is). A
paraphrase also keeps what makes the item this item: its rare words or synonyms of them, its numbers, the
words of its task. Word order does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from curation.contamination.words import Ids, Vocabulary

SYNONYM_FLOOR: Final = 0.3
"""Cosine of two different words below which they have nothing in common."""

SYNONYM_CAP: Final = 0.8
"""Most that a different word counts for."""


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


def agreements(vocabulary: Vocabulary, passage: Ids, items: Sequence[Ids]) -> list[Agreement]:
    """Agreement of a set of words with each of several: every word is paired with the most similar one of
    the other side.

    After BERTScore (Zhang et al., 2020), with static vectors and inverse document frequencies; numbers
    agree only when they are equal. Nothing agrees with an empty set.
    """
    sizes = [item.size for item in items]
    if not passage.size or not sum(sizes):
        return [Agreement(0.0, 0.0, None, None) for _ in items]
    words = np.concatenate(items)
    equal = words[:, None] == passage[None, :]
    numbers, passage_numbers = vocabulary.numbers(words), vocabulary.numbers(passage)
    similar = vocabulary.vectors(words) @ vocabulary.vectors(passage).T
    similar = np.clip((similar - SYNONYM_FLOOR) / (1 - SYNONYM_FLOOR), 0.0, SYNONYM_CAP)
    similar[numbers] = 0.0
    similar[:, passage_numbers] = 0.0
    similar[equal] = 1.0
    weights, passage_weights = vocabulary.weights(words), vocabulary.weights(passage)
    bounds = np.cumsum([0, *sizes])
    result = []
    for start, stop in pairwise(bounds):
        if start == stop:
            result.append(Agreement(0.0, 0.0, None, None))
            continue
        mine, same = similar[start:stop], equal[start:stop]
        of_item, of_passage = numbers[start:stop], passage_numbers
        result.append(
            Agreement(
                recall=_share(mine.max(axis=1), weights[start:stop]),
                precision=_share(mine.max(axis=0), passage_weights),
                numbers_of_item=float(same[of_item].any(axis=1).mean()) if of_item.any() else None,
                numbers_of_passage=float(same[:, of_passage].any(axis=0).mean())
                if of_passage.any()
                else None,
            )
        )
    return result


def _share(values: npt.NDArray[np.floating], weights: npt.NDArray[np.floating]) -> float:
    return float(values @ weights / weights.sum())
