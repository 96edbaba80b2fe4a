"""Sketches of training rows: enough to find near duplicates among millions without their texts.

Two rows are compared part by part: the conversation (system prompts, which whole features share, left out),
the chosen side, the rejected side. Their similarity is the smallest of the Jaccard similarities of word
shingles: a long shared context does not make duplicates of different questions, nor a stock answer of
different conversations, and a pair is no duplicate of its reverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from contracts.chat import turn_text
from curation.texts.hashing import Hashes, Ragged, hash_tokens, mix
from curation.texts.minhash import ALGORITHM as MINHASH
from curation.texts.minhash import BANDS, CHUNK, PERMUTATIONS, band_keys, jaccard, shingles, sign

ALGORITHM: Final = f"sketch@1:{MINHASH}"
"""What a sketch is a function of besides the row; only equal ones may be compared."""

PARTS: Final = ("prompt", "chosen", "rejected")
SYSTEM_ROLES: Final = frozenset({"system", "developer"})

Values = npt.NDArray[np.uint16]
Rows = npt.NDArray[np.integer]

_PAIRS: Final = 32_768
"""Pairs whose signatures are compared at a time: 64 MB."""


@dataclass(frozen=True, slots=True)
class Sketches:
    """Sketches of n rows: LSH buckets (n, BANDS) and the parts' signatures (n, 3, PERMUTATIONS).

    968 bytes a row. The signatures keep 16 bits of each value, which changes an estimate by 0.00002.
    """

    keys: Hashes
    signatures: Values

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Rows) -> Sketches:
        """Some of the rows, in the order asked for."""
        return Sketches(self.keys[rows], self.signatures[rows])

    def columns(self) -> dict[str, pl.Series]:
        """The sketches as columns of `example_sketches`: bands, and a signature per part."""
        signatures = {f"{part}_signature": self.signatures[:, at] for at, part in enumerate(PARTS)}
        return {"bands": _packed(self.keys, "<u8")} | {
            name: _packed(values, "<u2") for name, values in signatures.items()
        }


def sketch(rows: pl.DataFrame) -> Sketches:
    """Sketches of training rows: `kind`, and `prompt`, `chosen`, `rejected` as JSON turns.

    Rows of different kinds share no bucket. Memory beyond the result is that of `CHUNK` rows.
    """
    keys = np.zeros((rows.height, BANDS), dtype=np.uint64)
    signatures = np.zeros((rows.height, len(PARTS), PERMUTATIONS), dtype=np.uint16)
    start = 0
    for chunk in rows.select(*PARTS, "kind").iter_slices(CHUNK):
        end = start + chunk.height
        parts = shingles_of(chunk)
        for at, part in enumerate(parts):
            signatures[start:end, at] = sign(part) & np.uint32(0xFFFF)
        whole = band_keys(sign(_together(parts)))
        kinds = hash_tokens([[kind] for kind in chunk["kind"]]).flat
        keys[start:end] = np.where(whole == 0, whole, mix(whole ^ kinds[:, None]) | np.uint64(1))
        start = end
    return Sketches(keys, signatures)


def shingles_of(rows: pl.DataFrame) -> list[Ragged]:
    """Hashes of the shingles of every part, in the order of `PARTS`."""
    return [shingles(conversation(turns) for turns in rows[part]) for part in PARTS]


def _together(parts: list[Ragged]) -> Ragged:
    """Row by row the hashes of all parts, each part's told apart from the others'."""
    rows = np.concatenate([np.repeat(np.arange(len(part)), part.lengths()) for part in parts])
    flat = np.concatenate([mix(part.flat + np.uint64(at)) for at, part in enumerate(parts)])
    offsets = np.sum([part.offsets for part in parts], axis=0)
    return Ragged(flat[np.argsort(rows, kind="stable")], offsets)


def conversation(turns: str | None) -> str:
    """What was said in JSON turns, calls of tools included, system prompts left out, a line per turn."""
    if turns is None:
        return ""
    parsed: list[dict[str, Any]] = msgspec.json.decode(turns, type=list[dict[str, Any]])
    return "\n".join(turn_text(turn) for turn in parsed if turn["role"] not in SYSTEM_ROLES)


def similarity(a: list[Hashes], b: list[Hashes]) -> float:
    """Similarity of two rows given the shingles of their parts; parts without words are alike."""
    return min(1.0 if not len(x) and not len(y) else jaccard(x, y) for x, y in zip(a, b, strict=True))


def estimated(a: Sketches, left: Rows, b: Sketches, right: Rows) -> npt.NDArray[np.float64]:
    """Similarity of rows of `a` and `b`, pair by pair, by their signatures; standard error 0.035 at 0.8."""
    values = np.zeros(len(left))
    for start in range(0, len(left), _PAIRS):
        block = slice(start, start + _PAIRS)
        agreed = a.signatures[left[block]] == b.signatures[right[block]]
        values[block] = agreed.mean(axis=2).min(axis=1)
    return values


def unpacked_bands(column: pl.Series) -> Hashes:
    """Buckets from a column `bands`, (n, BANDS)."""
    return _unpacked(column, "<u8", BANDS).astype(np.uint64)


def unpacked(rows: pl.DataFrame) -> Sketches:
    """Sketches from the columns that `Sketches.columns` gives."""
    signatures = [_unpacked(rows[f"{part}_signature"], "<u2", PERMUTATIONS) for part in PARTS]
    return Sketches(unpacked_bands(rows["bands"]), np.stack(signatures, axis=1).astype(np.uint16))


def _packed(rows: npt.NDArray[Any], dtype: str) -> pl.Series:
    return pl.Series([row.tobytes() for row in np.ascontiguousarray(rows, dtype=dtype)], dtype=pl.Binary)


def _unpacked(column: pl.Series, dtype: str, width: int) -> npt.NDArray[Any]:
    return np.frombuffer(b"".join(column), dtype=dtype).reshape(len(column), width)
