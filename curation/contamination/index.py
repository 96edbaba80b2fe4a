"""The index of registered eval items, and the check of training rows against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from threadpoolctl import threadpool_limits

from curation.contamination.background import Background
from curation.contamination.literal import SEVERE, SHORT, LiteralIndex, digests
from curation.contamination.near_duplicate import SEVERE as SEVERE_JACCARD
from curation.contamination.near_duplicate import NearDuplicateIndex
from curation.contamination.paraphrase import ParaphraseIndex
from curation.contamination.sides import JOINED, SIDES, Turn, turns
from curation.contamination.units import units
from curation.texts.hashing import Hashes, Ragged, hash_texts
from curation.texts.tokens import token_spans

LAYERS: Final = ("exact", "ngram13", "ngram8", "minhash", "embedding")
"""Strongest first."""

HITS: Final = pl.Schema(
    {
        "key": pl.String(),
        "side": pl.String(),
        "eval_set": pl.String(),
        "eval_version": pl.Int64(),
        "item_id": pl.String(),
        "field": pl.String(),
        "layer": pl.String(),
        "score": pl.Float64(),
        "severe": pl.Boolean(),
        "start": pl.Int64(),
        "end": pl.Int64(),
    }
)
"""One row per match of a row's side with a field of an item in a layer; `start` and `end` are characters of
that side. Score: 1 for exact, share of the item's words, Jaccard similarity, or probability."""

_BATCH_CHARS: Final = 2_000_000
_CHUNK: Final = 8_192


@dataclass(frozen=True)
class ContaminationIndex:
    """Everything needed to check rows; build it once, pickle it to where rows are."""

    units: pl.DataFrame
    literal: LiteralIndex
    short: Hashes
    short_units: npt.NDArray[np.int64]
    near: NearDuplicateIndex
    paraphrase: ParaphraseIndex

    @classmethod
    def build(cls, items: pl.DataFrame, background: Background | None = None) -> ContaminationIndex:
        """Index items (`units.ITEMS`). What `background` says is the product's own does not count."""
        background = background or Background()
        table = units(items)
        hashed = _hashed(table["text"])
        names = table["eval_set"].rank("dense").cast(pl.Int32).to_numpy()
        literal = LiteralIndex.build(hashed, names, background.runs)
        usual = np.isin(literal.digests, background.turns)
        order = np.argsort(literal.digests[~usual], kind="stable")
        numbers = np.flatnonzero(~usual)[order]
        telling = ~usual & (literal.counted * 2 >= literal.lengths) & (literal.lengths >= SHORT)
        questions = np.flatnonzero(telling & (table["role"] == "question").to_numpy())
        return cls(
            units=table.drop("text"),
            literal=literal,
            short=literal.digests[numbers],
            short_units=numbers,
            near=NearDuplicateIndex.build(table["text"], telling),
            paraphrase=ParaphraseIndex.build(table, questions, background.words),
        )

    def with_background(self, items: pl.DataFrame, background: Background) -> ContaminationIndex:
        """The index of the same items when this is what is ordinary."""
        return ContaminationIndex.build(items, background) if background.sessions else self

    def learnable(self) -> tuple[Hashes, Hashes]:
        """Runs and whole texts that items hold, sorted and distinct: what `background.learn` counts."""
        return np.unique(self.literal.runs), np.unique(self.literal.digests)

    def check(self, rows: pl.DataFrame) -> pl.DataFrame:
        """All hits (`HITS`) in rows (`sides.ROWS`), ordered by key, side, item and layer.

        The result for a row does not depend on the rows beside it or their order.
        """
        # Small matrices: more threads only wait for each other (70 times the CPU time on two busy cores).
        with threadpool_limits(1, "blas"):
            frames = [pl.DataFrame(schema=HITS), *(self._check(batch) for batch in _batches(rows))]
        return pl.concat(frames).sort("key", "side", "eval_set", "item_id", "field", "layer", "start")

    def _check(self, rows: pl.DataFrame) -> pl.DataFrame:
        if not self.units.height:
            return pl.DataFrame(schema=HITS)
        parts = list(turns(rows))
        texts = [part.text for part in parts]
        words = hash_texts(texts)
        whole = _Sides(parts, words, rows["prompt"].fill_null("").str.len_chars().to_list())
        found = [
            *whole.located(self.literal.check(whole.words)),
            *self._turns_equal(parts, words),
            *_of_turns(parts, self.near.check(texts), "minhash", SEVERE_JACCARD),
            *_of_turns(parts, self.paraphrase.check(texts), "embedding", None),
        ]
        hits = pl.DataFrame(found, schema=_FOUND, orient="row")
        hits = _without_repeats(hits)
        named = self.units.with_row_index("unit").select(
            pl.col("unit").cast(pl.Int64), "eval_set", "item_id", "field", eval_version="version"
        )
        keys = rows["key"].gather(hits["row"]).alias("key")
        return hits.with_columns(keys).join(named, on="unit", how="left").select(list(HITS))

    def _turns_equal(self, parts: list[Turn], words: Ragged) -> Iterator[Found]:
        """Turns that are a whole unit and nothing else, however short."""
        if not len(self.short):
            return
        own = digests(words)
        low = np.searchsorted(self.short, own, side="left")
        high = np.searchsorted(self.short, own, side="right")
        for number in np.flatnonzero((high > low) & (words.lengths() > 0)).tolist():
            part = parts[number]
            spans = token_spans(part.text)
            start, end = part.start + spans[0][0], part.start + spans[-1][1]
            for unit in self.short_units[low[number] : high[number]].tolist():
                yield part.row, part.side, unit, "exact", 1.0, True, start, end


Found = tuple[int, str, int, str, float, bool, int, int]
_FOUND: Final = pl.Schema(
    {
        "row": pl.Int64(),
        "side": pl.String(),
        "unit": pl.Int64(),
        "layer": pl.String(),
        "score": pl.Float64(),
        "severe": pl.Boolean(),
        "start": pl.Int64(),
        "end": pl.Int64(),
    }
)


class _Sides:
    """The words of whole sides and of joined sides, as runs of the words of turns."""

    def __init__(self, parts: list[Turn], words: Ragged, prompt_chars: list[int]) -> None:
        self._parts = parts
        self._prompt_chars = prompt_chars
        of_row: dict[int, dict[str, list[int]]] = {}
        for number, part in enumerate(parts):
            of_row.setdefault(part.row, {}).setdefault(part.side, []).append(number)
        self._sides: list[tuple[int, str, list[int]]] = []
        for row, sides in of_row.items():
            self._sides += [(row, side, numbers) for side, numbers in sides.items()]
            if "prompt" in sides:
                self._sides += [
                    (row, joined, sides["prompt"] + sides[answer])
                    for joined, answer in zip(JOINED, SIDES[1:], strict=True)
                    if answer in sides
                ]
        flat = [words.row(number) for _, _, numbers in self._sides for number in numbers]
        sizes = [sum(len(words.row(n)) for n in numbers) for _, _, numbers in self._sides]
        self.words = Ragged(
            np.concatenate(flat) if flat else np.zeros(0, np.uint64),
            np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(sizes, np.int64))]),
        )
        self._lengths = words.lengths()
        self._spans: dict[int, list[tuple[int, int]]] = {}

    def located(self, matches: pl.DataFrame) -> Iterator[Found]:
        """Matches with their places in characters."""
        for text, unit, layer, score, first, last in matches.iter_rows():
            row, side, numbers = self._sides[text]
            start, end = self._place(row, side, numbers, first)[0], self._place(row, side, numbers, last)[1]
            yield row, side, unit, layer, score, score >= SEVERE, start, end

    def _place(self, row: int, side: str, numbers: list[int], word: int) -> tuple[int, int]:
        """Characters of a word of a side."""
        for number in numbers:
            if word < self._lengths[number]:
                part = self._parts[number]
                start, end = self._spans_of(number)[word]
                # In a joined side the answer begins after the prompt and one separator.
                after = side in JOINED and part.side != "prompt"
                shift = part.start + (self._prompt_chars[row] + 1 if after else 0)
                return start + shift, end + shift
            word -= int(self._lengths[number])
        raise IndexError(word)

    def _spans_of(self, number: int) -> list[tuple[int, int]]:
        if number not in self._spans:
            self._spans[number] = token_spans(self._parts[number].text)
        return self._spans[number]


def _hashed(texts: pl.Series) -> Ragged:
    """Hashed words of many texts, some thousand at a time: their words as strings take far more memory."""
    parts = [hash_texts(chunk["text"]) for chunk in texts.alias("text").to_frame().iter_slices(_CHUNK)]
    lengths = np.concatenate([np.zeros(1, np.int64), *(part.lengths() for part in parts)])
    flat = np.concatenate([np.zeros(0, np.uint64), *(part.flat for part in parts)])
    return Ragged(flat, np.cumsum(lengths))


def _of_turns(parts: list[Turn], matches: pl.DataFrame, layer: str, severe: float | None) -> Iterator[Found]:
    """Matches of single turns; a near-duplicate is the whole turn, a paraphrase names its passage."""
    for match in matches.iter_rows(named=True):
        part = parts[match["text"]]
        start, end = match.get("start", 0), match.get("end", len(part.text))
        is_severe = severe is not None and match["score"] >= severe
        yield (
            part.row,
            part.side,
            match["unit"],
            layer,
            match["score"],
            is_severe,
            part.start + start,
            part.start + end,
        )


def _without_repeats(hits: pl.DataFrame) -> pl.DataFrame:
    """One hit per side, unit and layer, the best; joined sides only where they say more than their parts."""
    best = hits.sort("score", "start", descending=[True, False]).unique(
        ["row", "side", "unit", "layer"], keep="first", maintain_order=True
    )
    joined = pl.col("side").is_in(JOINED)
    alone = best.filter(~joined).group_by("row", "unit").agg(_worst=pl.col("severe").max())
    known = best.join(alone, on=["row", "unit"], how="left")
    says_more = pl.col("_worst").is_null() | (pl.col("severe") & ~pl.col("_worst"))
    return known.filter(~joined | says_more).drop("_worst")


def _batches(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Slices of about two million characters."""
    chars = rows.select(pl.sum_horizontal(pl.col(SIDES).str.len_chars().fill_null(0)))
    group = (chars.to_series().cum_sum() // _BATCH_CHARS).to_numpy() if rows.height else np.zeros(0)
    bounds = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), rows.height]
    for start, stop in pairwise(bounds):
        if stop > start:
            yield rows[start:stop]
