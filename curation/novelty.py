"""Novelty: how far a prompt lies from what earlier drops already hold.

1 − the highest cosine with a prompt of earlier drops, by static embeddings. Earlier prompts stand for
themselves as a random sample of fixed size, so a night costs the same however much was dropped before; what
drops hold often is in the sample, what they held once may be missing and counts as new again.

Vectors are whole numbers (components times `SCALE`), and every product and partial sum stays below 2²⁴, so
single precision computes them exactly, and the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from curation.sampling import uniform
from curation.texts.embeddings import StaticEmbeddings

SCALE: Final = 4_000
UNKNOWN: Final = 0.5
"""Novelty of a prompt without words to compare."""

_ROWS: Final = 8_192
"""Prompts compared at a time: with 4,096 earlier ones 128 MB."""

Whole = npt.NDArray[np.int16]


def question(turns: str | None) -> str | None:
    """What is compared of a row's prompt (JSON turns): the last text of the user."""
    if turns is None:
        return None
    parsed: list[dict[str, Any]] = msgspec.json.decode(turns, type=list[dict[str, Any]])
    return next(
        (turn["content"] for turn in reversed(parsed) if turn["role"] == "user" and turn["content"]), None
    )


def embed(model: StaticEmbeddings, texts: Sequence[str | None]) -> Whole:
    """Vectors in whole numbers, (n, dimensions); zero where there is nothing to compare."""
    parts = [
        np.rint(model.encode(texts[start : start + _ROWS]) * np.float32(SCALE)).astype(np.int16)
        for start in range(0, len(texts), _ROWS)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, model.dimensions), dtype=np.int16)


def pack(vectors: Whole) -> pl.Series:
    """Vectors as a column of bytes (little endian int16), for the lake."""
    rows = np.ascontiguousarray(vectors, dtype="<i2")
    return pl.Series("embedding", [row.tobytes() for row in rows], dtype=pl.Binary)


def unpack(column: pl.Series, dimensions: int) -> Whole:
    """The vectors of a packed column."""
    flat = np.frombuffer(b"".join(column), dtype="<i2").astype(np.int16)
    return flat.reshape(len(column), dimensions)


def reference(earlier: pl.LazyFrame, model: StaticEmbeddings, *, size: int, seed: int) -> Whole:
    """A random sample of the prompts of earlier drops, (at most `size`, dimensions).

    earlier: example_id, embedding, embedding_model, as in the table `example_sketches`; vectors of other
    models are left out. Which rows are in the sample depends on their ids and the seed alone, so from one
    night to the next only few change.
    """
    mine = earlier.filter(pl.col("embedding_model") == model.name)
    ids = mine.select(pl.col("example_id").unique()).collect()["example_id"]
    drawn = pl.DataFrame({"example_id": ids, "draw": uniform(ids, seed, "novelty")})
    wanted = drawn.sort("draw", "example_id").head(size)["example_id"]
    rows = mine.filter(pl.col("example_id").is_in(wanted.implode())).select("example_id", "embedding")
    found = rows.collect().unique("example_id").sort("example_id")
    return unpack(found["embedding"], model.dimensions)


def novelty(vectors: Whole, known: Whole) -> pl.Series:
    """Novelty per vector, 0 (was there) to 1 (nothing like it, or no earlier drop); `UNKNOWN` for a zero."""
    if not len(known):
        return pl.repeat(1.0, len(vectors), dtype=pl.Float64, eager=True).alias("novelty")
    earlier = known.astype(np.float32).T
    sizes = np.maximum(_lengths(known), 1.0)
    values = np.full(len(vectors), UNKNOWN)
    for start in range(0, len(vectors), _ROWS):
        block = vectors[start : start + _ROWS]
        own = _lengths(block)
        nearest = np.max((block.astype(np.float32) @ earlier) / sizes, axis=1)
        there = own > 0
        values[start : start + _ROWS][there] = 1.0 - nearest[there] / own[there]
    return pl.Series("novelty", values.clip(0.0, 1.0).round(4))


def _lengths(vectors: Whole) -> npt.NDArray[np.float64]:
    squares: npt.NDArray[np.float64] = np.sqrt(np.square(vectors, dtype=np.int64).sum(axis=1))
    return squares
