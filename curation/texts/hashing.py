"""Hashes of tokens and n-grams for many texts at once: numpy columns, the same on every machine.

A ragged column is a flat array and its `offsets` (n + 1): row i is `flat[offsets[i]:offsets[i + 1]]`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

from curation.texts.tokens import tokens

Hashes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]

MAX_VOCABULARY: Final = 1 << 19
"""Token hashes remembered, about 100 MB; a text with more distinct tokens only costs time."""

_BASE: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Ragged:
    """Hashes of several rows of different lengths."""

    flat: Hashes
    offsets: Offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, index: int) -> Hashes:
        """Hashes of one row, in their order."""
        return self.flat[self.offsets[index] : self.offsets[index + 1]]

    def lengths(self) -> Offsets:
        """Number of hashes per row."""
        return np.diff(self.offsets)


class _TokenHashes(dict[str, int]):
    """Hash per token, computed once: the first eight bytes of BLAKE2b over UTF-8."""

    def __missing__(self, token: str) -> int:
        if len(self) >= MAX_VOCABULARY:
            self.clear()
        value = int.from_bytes(hashlib.blake2b(token.encode(), digest_size=8).digest(), "little")
        self[token] = value
        return value


_TOKEN_HASHES: Final = _TokenHashes()


def hash_tokens(token_lists: Iterable[Sequence[str]]) -> Ragged:
    """64-bit hash of every token of every row."""
    rows = list(token_lists)
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    values = map(_TOKEN_HASHES.__getitem__, chain.from_iterable(rows))
    return Ragged(np.fromiter(values, dtype=np.uint64, count=int(offsets[-1])), offsets)


def hash_texts(texts: Iterable[str | None]) -> Ragged:
    """64-bit hash of every token of every text; a null text has none."""
    return hash_tokens([] if text is None else tokens(text) for text in texts)


def mix(values: Hashes) -> Hashes:
    """Spread the bits of hashes (the finalizer of SplitMix64), so that sums of them stay well distributed."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = values ^ (values >> np.uint64(31))
    return mixed


def ngrams(hashed: Ragged, n: int, *, whole_if_shorter: bool = True) -> Ragged:
    """Hash of every run of n tokens, in order; never across rows.

    A row shorter than n (but not empty) gives one hash of all its tokens, or none when
    `whole_if_shorter` is false. The hash of a run depends on its length too, so runs of different n
    never meet.
    """
    lengths = hashed.lengths()
    starts = np.flatnonzero(_starts_of_runs(lengths, n))
    flat = _run_hashes(hashed.flat, starts, np.broadcast_to(np.int64(n), starts.shape))
    counts = np.maximum(lengths - n + 1, 0)
    short = np.flatnonzero((lengths > 0) & (lengths < n)) if whole_if_shorter else np.zeros(0, np.int64)
    if len(short):
        counts[short] = 1
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        whole = _run_hashes(hashed.flat, hashed.offsets[short], lengths[short])
        joined = np.empty(int(offsets[-1]), dtype=np.uint64)
        is_short = np.zeros(len(joined), dtype=bool)
        is_short[offsets[short]] = True
        joined[is_short], joined[~is_short] = whole, flat
        return Ragged(joined, offsets)
    return Ragged(flat, np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]))


def _starts_of_runs(lengths: Offsets, n: int) -> npt.NDArray[np.bool_]:
    """Per token: whether n tokens of the same row begin with it."""
    ends = np.repeat(np.cumsum(lengths), lengths)
    is_start: npt.NDArray[np.bool_] = np.arange(len(ends)) + n <= ends
    return is_start


def _run_hashes(flat: Hashes, starts: Offsets, lengths: npt.NDArray[np.int64]) -> Hashes:
    """Polynomial hash of the runs that begin at `starts` and are `lengths` long."""
    total = np.zeros(len(starts), dtype=np.uint64)
    for step in range(int(lengths.max(initial=0))):
        inside = step < lengths
        if inside.all():
            total = total * _BASE + flat[starts + step]
        else:
            total[inside] = total[inside] * _BASE + flat[starts[inside] + step]
    return mix(total ^ mix(lengths.astype(np.uint64)))


def distinct(hashed: Ragged) -> Ragged:
    """Each row as a set: sorted, without repetitions."""
    rows = np.repeat(np.arange(len(hashed)), hashed.lengths())
    order = np.lexsort((hashed.flat, rows))
    flat, rows = hashed.flat[order], rows[order]
    first = np.ones(len(flat), dtype=bool)
    first[1:] = (flat[1:] != flat[:-1]) | (rows[1:] != rows[:-1])
    counts = np.bincount(rows[first], minlength=len(hashed))
    return Ragged(flat[first], np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]))


def content_hash(parts: Iterable[str | None]) -> str:
    """Hash of a content of several texts (32 hex digits); null and empty differ, and so do the borders."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"\x1e" if part is None else b"\x1f" + part.encode())
    return digest.hexdigest()[:32]
