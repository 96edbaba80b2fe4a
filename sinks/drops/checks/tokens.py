"""How long rows are, in tokens of a vocabulary that ships with us: what to set a trainer's lengths by.

Other tokenizers count differently, commonly within a fifth for English. Tokens of a chat template's own are
not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from contracts.chat import Turn
from sinks.vocabulary import load_tokenizer

SAMPLE: Final = 5_000
"""Rows of a file that are counted: of more, every k-th."""

LONGEST: Final = 10
"""The longest rows (in bytes) of each batch are counted too, so that `max` is that of the whole file."""

MAX_CACHED: Final = 200_000
"""Texts whose counts are kept: the same ones stand in several files."""

_BATCH: Final = 512
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """The texts of a column's turns, a list per row: their sizes (of the rows, in about bytes), and the texts
    of some rows."""

    sizes: Counts
    at: Callable[[Counts], Sequence[Sequence[str]]]


class TokenCounts:
    """Token counts of a drop's files, file by file."""

    def __init__(self) -> None:
        self._tokenizer, self._name = load_tokenizer()
        self._known: dict[str, int] = {}
        self._files: dict[str, _FileCounts] = {}

    def add(self, file: str, total: int, start: int, columns: Mapping[str, Texts]) -> None:
        """Count a batch of a file of `total` rows; it begins at row `start`."""
        counts = self._files.setdefault(file, _FileCounts(total))
        for name, column in columns.items():
            places = np.arange(len(column.sizes))
            sampled = places[(places + start) % counts.stride == 0]
            longest = np.setdiff1d(np.argsort(-column.sizes, kind="stable")[:LONGEST], sampled)
            counts.sampled.setdefault(name, []).append(self._count(column.at(sampled)))
            counts.longest.setdefault(name, []).append(self._count(column.at(longest)))

    def _count(self, rows: Sequence[Sequence[str]]) -> Counts:
        new = list({text: None for row in rows for text in row if text not in self._known})
        if len(self._known) + len(new) > MAX_CACHED:
            self._known.clear()
            new = list({text: None for row in rows for text in row})
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            encoded = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            self._known.update(zip(batch, map(len, encoded), strict=True))
        return np.array([sum(self._known[text] for text in row) for row in rows], dtype=np.int64)

    def block(self) -> dict[str, Any]:
        """The manifest's `tokens`: statistics per file and column, and the tokenizer they are of.

        `counted` is how many rows of the file they rest on; `max` is that of all rows but for texts that are
        long in tokens and short in bytes.
        """
        return {
            "tokenizer": self._name,
            "files": {file: counts.block() for file, counts in sorted(self._files.items())},
        }


class _FileCounts:
    def __init__(self, total: int) -> None:
        self.stride = max(-(-total // SAMPLE), 1)
        self.sampled: dict[str, list[Counts]] = {}
        self.longest: dict[str, list[Counts]] = {}

    def block(self) -> dict[str, Any]:
        sampled = {name: np.concatenate(parts) for name, parts in self.sampled.items()}
        return {
            "counted": max((len(counts) for counts in sampled.values()), default=0),
            "columns": {
                name: _statistics(counts, np.concatenate([counts, *self.longest[name]]))
                for name, counts in sampled.items()
                if len(counts)
            },
        }


def _statistics(counts: Counts, with_longest: Counts) -> dict[str, float]:
    p50, p90, p99 = np.percentile(counts, (50, 90, 99), method="higher").tolist()
    return {
        "min": int(counts.min()),
        "mean": round(float(counts.mean()), 1),
        "p50": int(p50),
        "p90": int(p90),
        "p99": int(p99),
        "max": int(with_longest.max()),
    }


def plain_texts(column: pl.Series) -> Texts:
    """The texts of a column of plain turns (structs)."""
    texts = column.list.eval(pl.element().struct.field("content"))
    sizes = texts.list.eval(pl.element().str.len_bytes()).list.sum().cast(pl.Int64).to_numpy()
    return Texts(sizes, lambda rows: texts.gather(rows).to_list())


def json_texts(column: pl.Series) -> Texts:
    """The texts of a column of turns as JSON objects."""
    sizes = column.list.eval(pl.element().str.len_bytes()).list.sum().cast(pl.Int64).to_numpy()
    return Texts(sizes, lambda rows: [_said(map(_decode, turns)) for turns in column.gather(rows)])


def turns_texts(column: Sequence[Sequence[Turn]]) -> Texts:
    """The texts of conversations as values."""
    sizes = [sum(len(turn["content"] or "") for turn in turns) for turns in column]
    return Texts(np.array(sizes, dtype=np.int64), lambda rows: [_said(column[row]) for row in rows])


def _said(turns: Iterable[Turn]) -> list[str]:
    """What a model reads or writes in some turns: their texts, and calls as their name and arguments."""
    texts: list[str] = []
    for turn in turns:
        if turn.get("content"):
            texts.append(turn["content"])
        for call in turn.get("tool_calls") or ():
            function = call["function"]
            texts += [function["name"], _encode(function["arguments"]).decode()]
    return texts
