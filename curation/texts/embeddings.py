"""Static embeddings: the mean of one learned vector per subword, from the weights inside `wordllama`'s wheel.

No network, no neural network at run time: a table look-up and a mean, some thousand texts a second per
core. Good enough to tell a paraphrase from another question, blind to word order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from sinks.vocabulary import load_tokenizer, missing, package_root

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = npt.NDArray[np.float32]

MODEL: Final = "l2_supercat_256"
MAX_CHARS: Final = 16_384
"""Characters of a text that count; of a longer one its beginning does."""

_BATCH_CHARS: Final = 131_072
_PIECE: Final = 32_768
"""Subwords whose vectors are in memory at a time: 32 MB."""


@dataclass(frozen=True, slots=True)
class StaticEmbeddings:
    """A table of subword vectors with its tokenizer; get it from `load`."""

    table: Vectors
    tokenizer: Tokenizer
    name: str
    """Model and release: vectors of different names are never compared."""

    @classmethod
    def load(cls) -> StaticEmbeddings:
        """The packaged model, read once per process (16 MB on disk, 33 MB in memory, 0.1 s).

        Raises `TerminalError` when the package or its files are missing.
        """
        return _load()

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.table.shape[1])

    def encode(self, texts: Sequence[str | None]) -> Vectors:
        """Unit vectors, one row per text (n, dimensions); zero for a null, blank or empty text.

        The vector of a text does not depend on the texts beside it. Memory beyond the result stays
        under 100 MB, however many or long the texts.
        """
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for start, batch in _batches(texts):
            encoded = self.tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for offset, subwords in enumerate(encoded):
                self._add(vectors[start + offset], subwords.ids)
            block = vectors[start : start + len(batch)]
            # In double precision the order of summation, which differs between processors, does not show.
            lengths = np.sqrt(np.square(block, dtype=np.float64).sum(axis=1, keepdims=True))
            block[:] = np.divide(block, lengths, out=np.zeros_like(block, np.float64), where=lengths > 0)
        return vectors

    def _add(self, vector: Vectors, ids: list[int]) -> None:
        """Sum the vectors of subwords; their mean and their sum have the same direction."""
        for start in range(0, len(ids), _PIECE):
            vector += self.table[ids[start : start + _PIECE]].sum(axis=0)


def _batches(texts: Sequence[str | None]) -> Iterator[tuple[int, list[str]]]:
    """Consecutive texts, cut and made encodable, with the position of the first."""
    start, batch, chars = 0, list[str](), 0
    for position, text in enumerate(texts):
        cut = _cut(text)
        if batch and chars + len(cut) > _BATCH_CHARS:
            yield start, batch
            start, batch, chars = position, [], 0
        batch.append(cut)
        chars += max(len(cut), 64)
    if batch:
        yield start, batch


def _cut(text: str | None) -> str:
    """The part of a text that counts; lone surrogates, which no tokenizer takes, become question marks."""
    if text is None or not text[:MAX_CHARS].strip():
        return ""
    return text[:MAX_CHARS].encode("utf-8", "replace").decode()


@cache
def _load() -> StaticEmbeddings:
    try:
        from safetensors.numpy import load_file
    except ImportError as error:
        raise missing() from error
    root, release = package_root()
    weights = root / "weights" / f"{MODEL}.safetensors"
    if not weights.is_file():
        raise missing()
    tokenizer, _ = load_tokenizer()
    table = load_file(str(weights))["embedding.weight"].astype(np.float32)
    return StaticEmbeddings(
        table=np.ascontiguousarray(table),
        tokenizer=tokenizer,
        name=f"wordllama:{MODEL}@{release}",
    )
