"""Distances between texts, element by element over columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from rapidfuzz import process
from rapidfuzz.distance import Indel, Levenshtein


def _pairwise(scorer: Any, left: pl.Series, right: pl.Series) -> pl.Series:
    both = left.is_not_null() & right.is_not_null()
    # In single precision, the default, 0.9 comes out below 0.9.
    scores = process.cpdist(
        left.filter(both).to_list(), right.filter(both).to_list(), scorer=scorer, dtype=np.float64
    )
    rows = both.arg_true()
    return pl.repeat(None, left.len(), dtype=pl.Float64, eager=True).scatter(rows, scores)


def edit_ratio(before: pl.Series, after: pl.Series) -> pl.Series:
    """Normalized Levenshtein distance, 0 (same) to 1 (nothing in common); null where a side is."""
    return _pairwise(Levenshtein.normalized_distance, before, after)


def similarity(left: pl.Series, right: pl.Series) -> pl.Series:
    """Similarity of two prompts, 0 to 1; null where a side is.

    Normalized Indel similarity (insertions and deletions only): twice the longest common subsequence
    over the length of both.
    """
    return _pairwise(Indel.normalized_similarity, left, right)
