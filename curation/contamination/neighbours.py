"""Nearest eval items of passages, by static embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from curation.contamination.words import Vectors

BLOCK: Final = 16_384
"""Items compared at a time: with `QUERIES` passages 128 MB of similarities."""

QUERIES: Final = 2_048
_LEVELS: Final = 127


@dataclass(frozen=True, slots=True)
class Quantized:
    """Unit vectors in one byte per dimension and one scale per row: a quarter of the memory.

    The error of a cosine is below 0.005.
    """

    values: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]

    @classmethod
    def of(cls, vectors: Vectors) -> Quantized:
        """Quantize rows."""
        scales = np.abs(vectors).max(axis=1, initial=0.0).astype(np.float32) / _LEVELS
        divisors = np.where(scales > 0, scales, 1.0)[:, None]
        return cls(np.rint(vectors / divisors).astype(np.int8), scales)

    def __len__(self) -> int:
        return len(self.scales)

    def block(self, start: int, stop: int) -> Vectors:
        """Rows as floats again."""
        return self.values[start:stop].astype(np.float32) * self.scales[start:stop, None]


def nearest(items: Quantized, passages: Vectors, count: int) -> tuple[npt.NDArray[np.int64], Vectors]:
    """The `count` (or all) nearest items of every passage, nearest first, and their cosines.

    Equal cosines are ordered by item, so that the answer does not depend on the blocks.
    """
    count = min(count, len(items))
    found = np.zeros((len(passages), count), np.int64)
    cosines = np.zeros((len(passages), count), np.float32)
    for start in range(0, len(passages), QUERIES):
        part = slice(start, start + QUERIES)
        found[part], cosines[part] = _nearest(items, passages[part], count)
    return found, cosines


def _nearest(items: Quantized, passages: Vectors, count: int) -> tuple[npt.NDArray[np.int64], Vectors]:
    best = np.zeros((len(passages), 0), np.int64)
    score = np.zeros((len(passages), 0), np.float32)
    for start in range(0, len(items), BLOCK):
        similar = np.round(passages @ items.block(start, start + BLOCK).T, 5)
        keep = min(count, similar.shape[1])
        top = np.argpartition(-similar, keep - 1, axis=1)[:, :keep]
        best = np.concatenate((best, top + start), axis=1)
        score = np.concatenate((score, np.take_along_axis(similar, top, axis=1)), axis=1)
        order = np.lexsort((best, -score), axis=1)[:, :count]
        best = np.take_along_axis(best, order, axis=1)
        score = np.take_along_axis(score, order, axis=1)
    return best, score
