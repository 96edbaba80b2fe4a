"""The MinHash layer: turns that are an eval item with some words changed, from start to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.texts.hashing import Hashes
from curation.texts.minhash import band_keys, jaccard, shingles, signatures

BANDS: Final = 16
"""Bands of four values that are indexed: a pair of similarity 0.6 shares one with p = 0.89, 0.7 with 0.99."""

MIN_JACCARD: Final = 0.5
"""Similarity of word shingles from which two texts are near-duplicates; one word in twelve may differ."""

SEVERE: Final = 0.8

HITS: Final = pl.Schema({"text": pl.Int64(), "unit": pl.Int64(), "score": pl.Float64()})
_CHUNK: Final = 16_384


@dataclass(frozen=True, slots=True)
class NearDuplicateIndex:
    """Band keys of units, sorted within each band, with the unit of each key; and the units' texts."""

    keys: tuple[Hashes, ...]
    units: tuple[npt.NDArray[np.int32], ...]
    texts: pl.Series

    @classmethod
    def build(cls, texts: pl.Series, wanted: npt.NDArray[np.bool_]) -> NearDuplicateIndex:
        """Index the wanted texts."""
        numbers = np.flatnonzero(wanted).astype(np.int32)
        parts = [
            band_keys(signatures(texts[numbers[start : start + _CHUNK].tolist()]))[:, :BANDS]
            for start in range(0, len(numbers), _CHUNK)
        ]
        keys = np.concatenate(parts) if parts else np.zeros((0, BANDS), np.uint64)
        orders = [np.argsort(keys[:, band], kind="stable") for band in range(BANDS)]
        return cls(
            tuple(keys[order, band] for band, order in enumerate(orders)),
            tuple(numbers[order] for order in orders),
            texts,
        )

    def check(self, texts: Sequence[str]) -> pl.DataFrame:
        """Near-duplicates (`HITS`); the score is the exact Jaccard similarity of the shingles."""
        if not len(self.keys[0]) or not texts:
            return pl.DataFrame(schema=HITS)
        keys = band_keys(signatures(texts))
        pairs: set[tuple[int, int]] = set()
        for band, (known, units) in enumerate(zip(self.keys, self.units, strict=True)):
            low = np.searchsorted(known, keys[:, band], side="left")
            high = np.searchsorted(known, keys[:, band], side="right")
            for text in np.flatnonzero((high > low) & (keys[:, band] != 0)).tolist():
                pairs.update((text, unit) for unit in units[low[text] : high[text]].tolist())
        own = {text: shingles([texts[text]]).flat for text in {text for text, _ in pairs}}
        found = [(t, u, jaccard(own[t], _shingles(self.texts[u]))) for t, u in sorted(pairs)]
        return pl.DataFrame([f for f in found if f[2] >= MIN_JACCARD], schema=HITS, orient="row")


@lru_cache(maxsize=4_096)
def _shingles(text: str) -> Hashes:
    return shingles([text]).flat
