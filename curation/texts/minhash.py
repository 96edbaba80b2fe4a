"""MinHash over word shingles, locality-sensitive hashing in bands, and the exact Jaccard similarity.

Signatures come from `rensa` (Rust). Source of the banding: Leskovec, Rajaraman, Ullman, "Mining of Massive
Datasets", section 3.4: two texts of similarity s share a band with probability 1 − (1 − sʳ)ᵇ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from contracts.errors import TerminalError
from curation.texts.hashing import Hashes, Ragged, hash_texts, mix, ngrams
from curation.texts.tokens import ALGORITHM as TOKENS

Signatures = npt.NDArray[np.uint32]

SHINGLE: Final = 5
"""Tokens in a shingle; a shorter text is one shingle as a whole."""

PERMUTATIONS: Final = 128
"""Values in a signature, 512 bytes; the estimate's standard error at 0.8 is 0.035."""

ROWS: Final = 5
BANDS: Final = PERMUTATIONS // ROWS
"""25 bands of 5: a pair at 0.8 is found with probability 0.99995, at 0.5 with 0.55, at 0.3 with 0.06."""

SEED: Final = 1729
RENSA: Final = 2
"""Version of rensa's algorithm that the stored signatures were made with."""

ALGORITHM: Final = f"minhash@1:{TOKENS}:s{SHINGLE}p{PERMUTATIONS}:rensa{RENSA}"
"""What a signature is a function of besides the text; only equal ones may be compared."""

CHUNK: Final = 2_048
"""Texts hashed at a time: at 1.5 KB a text some 40 MB of intermediates."""

BUCKET_PAIRS: Final = 8
"""Members of a bucket that are all paired with each other; in larger ones each meets its neighbours."""


def shingles(texts: Iterable[str | None]) -> Ragged:
    """Hashes of the word shingles of every text, repetitions included; none for a text without tokens."""
    return ngrams(hash_texts(texts), SHINGLE)


def signatures(texts: Iterable[str | None]) -> Signatures:
    """One signature per text, (n, PERMUTATIONS); texts without tokens have all values at the maximum.

    Order and number of repetitions of shingles do not matter; the same on every machine and process.
    """
    parts = [sign(shingles(chunk)) for chunk in _chunks(texts, CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, PERMUTATIONS), dtype=np.uint32)


def _chunks(texts: Iterable[str | None], size: int) -> Iterator[list[str | None]]:
    iterator = iter(texts)
    while chunk := list(islice(iterator, size)):
        yield chunk


def sign(hashed: Ragged) -> Signatures:
    """One signature per row of shingle hashes, (n, PERMUTATIONS); an empty row has all values at the maximum.

    Raises `TerminalError` when the installed library computes other signatures than the stored ones.
    """
    from rensa import RMinHash

    if RMinHash.ALGORITHM_VERSION != RENSA:
        raise TerminalError(
            f"the installed rensa computes version {RMinHash.ALGORITHM_VERSION} of signatures, not {RENSA}",
            hint="Install the rensa release that pyproject.toml names.",
        )
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        hashed.flat, hashed.offsets.astype(np.uint64), PERMUTATIONS, SEED
    )
    return np.array(matrix.to_rows(), dtype=np.uint32).reshape(len(hashed), PERMUTATIONS)


def band_keys(signed: Signatures) -> Hashes:
    """Bucket of every text in every band, (n, BANDS); a text without tokens is in no bucket (zero)."""
    keys = np.zeros((len(signed), BANDS), dtype=np.uint64)
    for band in range(BANDS):
        for row in range(ROWS):
            keys[:, band] = mix(keys[:, band] ^ signed[:, band * ROWS + row].astype(np.uint64))
        keys[:, band] = mix(keys[:, band] + np.uint64(band + 1))
    keys[keys == 0] = 1
    keys[(signed == np.iinfo(np.uint32).max).all(axis=1)] = 0
    return keys


def candidate_pairs(keys: Hashes) -> pl.DataFrame:
    """Pairs of row numbers (`left` < `right`, UInt32) that share a bucket, each once, ordered.

    Within a bucket of up to `BUCKET_PAIRS` rows all pairs; in a larger one every row with the first and
    with the next `BUCKET_PAIRS` ones, so that a bucket of any size costs time linear in it. Rows should
    come in an order that does not depend on chance.
    """
    parts = [pl.DataFrame(schema={"left": pl.UInt32(), "right": pl.UInt32()})]
    for band in range(keys.shape[1]):
        parts.append(_pairs_of_band(keys[:, band]))
        if len(parts) == 8:
            parts = [pl.concat(parts).unique()]
    return pl.concat(parts).unique().sort("left", "right")


def pairs_across(keys: Hashes, others: Hashes) -> pl.DataFrame:
    """Pairs of row numbers (`left` in `keys`, `right` in `others`, UInt32) that share a bucket, ordered.

    Of a bucket's others only the first `BUCKET_PAIRS` count, so a bucket of any size costs no more.
    """
    parts = [pl.DataFrame(schema={"left": pl.UInt32(), "right": pl.UInt32()})]
    for band in range(keys.shape[1]):
        order = np.argsort(others[:, band], kind="stable")
        ordered = others[order, band]
        first = np.searchsorted(ordered, keys[:, band], side="left")
        last = np.minimum(np.searchsorted(ordered, keys[:, band], side="right"), first + BUCKET_PAIRS)
        last[keys[:, band] == 0] = first[keys[:, band] == 0]
        for step in range(BUCKET_PAIRS):
            at = np.flatnonzero(first + step < last)
            if not len(at):
                break
            parts.append(pl.DataFrame({"left": at, "right": order[first[at] + step]}).cast(pl.UInt32))
    return pl.concat(parts).unique().sort("left", "right")


def _pairs_of_band(keys: Hashes) -> pl.DataFrame:
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(np.concatenate([starts, [len(ordered)]]))
    place = np.arange(len(ordered)) - np.repeat(starts, sizes)
    size = np.repeat(sizes, sizes)
    usable = (ordered != 0) & (size > 1)
    first = np.repeat(starts, sizes)
    far = np.flatnonzero(usable & (place > BUCKET_PAIRS))
    lefts, rights = [order[first[far]]], [order[far]]
    for step in range(1, BUCKET_PAIRS + 1):
        at = np.flatnonzero(usable & (place + step < size))
        if not len(at):
            break
        lefts.append(order[at])
        rights.append(order[at + step])
    left, right = np.concatenate(lefts), np.concatenate(rights)
    frame = pl.DataFrame({"left": np.minimum(left, right), "right": np.maximum(left, right)})
    return frame.cast(pl.UInt32).unique()


def estimate(left: Signatures, right: Signatures) -> npt.NDArray[np.float64]:
    """Estimated Jaccard similarity of signatures, pair by pair."""
    agreed: npt.NDArray[np.float64] = (left == right).mean(axis=1)
    return agreed


def jaccard(left: Hashes, right: Hashes) -> float:
    """Jaccard similarity of two sets of shingles given as hashes; zero when both are empty."""
    a, b = np.unique(left), np.unique(right)
    common = len(np.intersect1d(a, b, assume_unique=True))
    union = len(a) + len(b) - common
    return common / union if union else 0.0
