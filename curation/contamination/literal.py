"""The literal layers: items that occur word for word, whole or in stretches.

Only runs of eight words are indexed. A run of thirteen is six of them that follow each other in both texts
at the same distance, so one index serves both sizes and says where the match lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.texts.hashing import Hashes, Offsets, Ragged, mix, ngrams

SHORT: Final = 8
LONG: Final = 13
"""Words in a run: 13 as in GPT-3's decontamination (Brown et al. 2020, appendix C), 8 as in PaLM's."""

MIN_SHARE: Final = {LONG: 0.2, SHORT: 0.5}
"""Share of an item's words that runs of each size must cover. A fifth: below it Llama 2 (Touvron et al.
2023, A.6) calls a sample clean. Half for the shorter runs, which ordinary phrases reach sooner."""

SEVERE: Final = 0.8
"""Share of an item's words from which it counts as leaked as a whole ("dirty" in Llama 2)."""

TEMPLATE_ITEMS: Final = 3
TEMPLATE_SHARE: Final = 0.01
"""A run in more items of one set than both of these is the set's template ("Answer with one letter"), and
says nothing about one item."""

MATCHES: Final = pl.Schema(
    {
        "text": pl.Int64(),
        "unit": pl.Int64(),
        "layer": pl.String(),
        "score": pl.Float64(),
        "first": pl.Int64(),
        "last": pl.Int64(),
    }
)
"""A literal match: positions in the texts and units checked, and the first and last word of the stretch."""

_FILTER_BITS: Final = 22


@dataclass(frozen=True, slots=True)
class LiteralIndex:
    """Runs of eight words of units (texts of eval items), sorted by hash, with the place of each.

    `runs[i]` stands in unit `unit[i]` at word `position[i]`; 16 bytes a run. `telling`: which words of all
    units, one after the other from `offsets` on, lie in an indexed run and in none that was left out;
    `counted`: how many of them a unit has; `lengths`: words per unit; `digests`: hash of all words of a
    unit; `filter`: which low bits occur among the runs.
    """

    runs: Hashes
    unit: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    telling: npt.NDArray[np.bool_]
    offsets: Offsets
    counted: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    digests: Hashes
    filter: npt.NDArray[np.bool_]

    @classmethod
    def build(cls, words: Ragged, sets: npt.NDArray[np.int32], common: Hashes) -> LiteralIndex:
        """Index units; `words` are their hashed words, `sets` the eval set of each.

        Runs in `common` (frequent in the product's own traffic) and templates of a set are left out, and
        their words tell nothing where they touch others.
        """
        runs = ngrams(words, SHORT, whole_if_shorter=False)
        counts = runs.lengths()
        unit = np.repeat(np.arange(len(words), dtype=np.int32), counts)
        position = (np.arange(len(runs.flat)) - np.repeat(runs.offsets[:-1], counts)).astype(np.int32)
        order = np.argsort(runs.flat, kind="stable")
        hashes, unit, position = runs.flat[order], unit[order], position[order]
        del runs, order
        kept = ~_templates(hashes, unit, sets)
        if len(common):
            kept &= ~np.isin(hashes, common)
        telling = np.zeros(len(words.flat), np.bool_)
        _mark(telling, words.offsets, unit[kept], position[kept], value=True)
        _mark(telling, words.offsets, unit[~kept], position[~kept], value=False)
        hashes, unit, position = hashes[kept], unit[kept], position[kept]
        seen = np.zeros(1 << _FILTER_BITS, np.bool_)
        seen[hashes & np.uint64((1 << _FILTER_BITS) - 1)] = True
        return cls(
            runs=hashes,
            unit=unit,
            position=position,
            telling=telling,
            offsets=words.offsets,
            counted=_count(telling, words.offsets),
            lengths=words.lengths().astype(np.int32),
            digests=digests(words),
            filter=seen,
        )

    def look_up(self, hashes: Hashes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """First and last (exclusive) place of each hash in `runs`; equal for those that are not in it."""
        first, last = np.zeros(len(hashes), np.int64), np.zeros(len(hashes), np.int64)
        likely = np.flatnonzero(self.filter[hashes & np.uint64((1 << _FILTER_BITS) - 1)])
        first[likely] = np.searchsorted(self.runs, hashes[likely], side="left")
        last[likely] = np.searchsorted(self.runs, hashes[likely], side="right")
        return first, last

    def check(self, words: Ragged) -> pl.DataFrame:
        """Matches (`MATCHES`) of every text with every unit, at most one per layer.

        Layers: `exact` (the unit is contained whole), `ngram13`, `ngram8`; the score is the share of the
        unit's words covered, among those that count.
        """
        runs = ngrams(words, SHORT, whole_if_shorter=False)
        begin, end = self.look_up(runs.flat)
        at = np.flatnonzero(end > begin)
        if not len(at):
            return pl.DataFrame(schema=MATCHES)
        text = np.searchsorted(runs.offsets, at, side="right") - 1
        local = at - runs.offsets[text]
        many = end[at] - begin[at]
        spread = np.repeat(np.arange(len(at)), many)
        place = begin[at][spread] + np.arange(len(spread)) - np.repeat(np.cumsum(many) - many, many)
        return self._matches(
            words, text[spread], self.unit[place].astype(np.int64), local[spread], self.position[place]
        )

    def _matches(
        self, words: Ragged, text: Offsets, unit: Offsets, local: Offsets, position: npt.NDArray[np.int32]
    ) -> pl.DataFrame:
        """Matches from single runs: text, unit, place in the text, place in the unit."""
        shift = local - position
        order = np.lexsort((local, shift, unit, text))
        text, unit, shift, local = text[order], unit[order], shift[order], local[order]
        breaks = np.ones(len(text), np.bool_)
        breaks[1:] = ((text[1:] != text[:-1]) | (unit[1:] != unit[:-1]) | (shift[1:] != shift[:-1])) | (
            local[1:] != local[:-1] + 1
        )
        heads = np.flatnonzero(breaks)
        sizes = np.diff(np.append(heads, len(text))) + SHORT - 1
        stretches = pl.DataFrame(
            {
                "text": text[heads],
                "unit": unit[heads],
                "first": local[heads],
                "size": sizes,
                "position": (local - shift)[heads],
            }
        ).cast(pl.Int64)
        found = [
            self._scored(stretches.filter(pl.col("size") >= size), f"ngram{size}", size)
            for size in (LONG, SHORT)
        ]
        return pl.concat([self._whole(words, stretches), *found])

    def _scored(self, stretches: pl.DataFrame, layer: str, size: int) -> pl.DataFrame:
        """Texts of which stretches cover enough of a unit; the span is around the longest stretch."""
        if stretches.is_empty():
            return pl.DataFrame(schema=MATCHES)
        pairs = stretches.select("text", "unit").unique(maintain_order=True).with_row_index("pair")
        numbered = stretches.join(pairs, on=["text", "unit"], how="left", maintain_order="left")
        covered = _covered(
            numbered["pair"].to_numpy().astype(np.int64),
            numbered["position"].to_numpy(),
            numbered["size"].to_numpy(),
        )
        units = pairs["unit"].to_numpy()
        tells = self.telling[self.offsets[units[covered[:, 0]]] + covered[:, 1]]
        counts = np.bincount(covered[tells, 0], minlength=pairs.height)
        total = np.maximum(self.counted[units], 1)
        longest = pl.col("size").max()
        spans = numbered.group_by("pair").agg(
            center=pl.col("first").sort_by("size", "first", descending=[True, False]).first(), longest=longest
        )
        reach = pl.Series("reach", self.lengths[units].astype(np.int64))
        near = (
            numbered.join(spans, on="pair")
            .join(pairs.select("pair", reach), on="pair")
            .filter((pl.col("first") - pl.col("center")).abs() <= 2 * pl.col("reach"))
            .group_by("pair")
            .agg(first=pl.col("first").min(), last=(pl.col("first") + pl.col("size")).max() - 1)
        )
        return (
            pairs.with_columns(score=pl.Series(np.minimum(counts / total, 1.0)), layer=pl.lit(layer))
            .filter((pl.col("score") >= MIN_SHARE[size]) & pl.Series(self.counted[units] >= SHORT))
            .join(near, on="pair", how="left")
            .select(list(MATCHES))
            .cast(MATCHES)
        )

    def _whole(self, words: Ragged, stretches: pl.DataFrame) -> pl.DataFrame:
        """Units that stand in a text from their first to their last word."""
        placed = (
            stretches.with_columns(begin=pl.col("first") - pl.col("position"))
            .select("text", "unit", "begin")
            .unique(maintain_order=True)
            .filter(pl.col("begin") >= 0)
        )
        found = []
        lengths = words.lengths()
        for text, unit, begin in placed.iter_rows():
            size = int(self.lengths[unit])
            if begin + size > lengths[text]:
                continue
            start = int(words.offsets[text]) + begin
            if digest(words.flat[start : start + size]) == self.digests[unit]:
                found.append((text, unit, "exact", 1.0, begin, begin + size - 1))
        frame = pl.DataFrame(found, schema=MATCHES, orient="row")
        return frame.unique(["text", "unit"], keep="first", maintain_order=True)


def digest(words: Hashes) -> np.uint64:
    """Hash of a whole sequence of words; zero for none."""
    if not len(words):
        return np.uint64(0)
    places = np.arange(1, len(words) + 1, dtype=np.uint64)
    mixed = mix(words ^ mix(places)).sum(dtype=np.uint64)
    return np.uint64(mix(np.array([mixed ^ np.uint64(len(words))], np.uint64))[0])


def digests(words: Ragged) -> Hashes:
    """`digest` of every row."""
    lengths = words.lengths()
    places = (np.arange(len(words.flat)) - np.repeat(words.offsets[:-1], lengths) + 1).astype(np.uint64)
    sums = np.append(np.zeros(1, np.uint64), np.cumsum(mix(words.flat ^ mix(places)), dtype=np.uint64))
    mixed = sums[words.offsets[1:]] - sums[words.offsets[:-1]]
    return np.where(lengths > 0, mix(mixed ^ lengths.astype(np.uint64)), np.uint64(0))


def _covered(owner: Offsets, position: Offsets, size: Offsets) -> npt.NDArray[np.int64]:
    """Distinct (owner, word) pairs that stretches cover, (n, 2)."""
    spread = np.repeat(np.arange(len(owner)), size)
    word = position[spread] + np.arange(len(spread)) - np.repeat(np.cumsum(size) - size, size)
    order = np.lexsort((word, owner[spread]))
    pairs = np.stack((owner[spread][order], word[order]), axis=1)
    fresh = np.ones(len(pairs), np.bool_)
    fresh[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return pairs[fresh]


def _mark(
    words: npt.NDArray[np.bool_],
    offsets: Offsets,
    unit: npt.NDArray[np.int32],
    position: npt.NDArray[np.int32],
    *,
    value: bool,
) -> None:
    """Set the words of runs."""
    start = offsets[unit] + position
    for step in range(SHORT):
        words[start + step] = value


def _count(words: npt.NDArray[np.bool_], offsets: Offsets) -> npt.NDArray[np.int32]:
    """How many words of each unit are set."""
    sums: npt.NDArray[np.int64] = np.zeros(len(words) + 1, np.int64)
    np.cumsum(words, out=sums[1:])
    return (sums[offsets[1:]] - sums[offsets[:-1]]).astype(np.int32)


def _templates(
    runs: Hashes, unit: npt.NDArray[np.int32], sets: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """Which of the (sorted) runs occur in too many units of their set to tell one from another."""
    result = np.zeros(len(runs), np.bool_)
    fresh = np.ones(len(runs), np.bool_)
    fresh[1:] = runs[1:] != runs[:-1]
    heads = np.flatnonzero(fresh)
    sizes = np.diff(np.append(heads, len(runs)))
    often = np.flatnonzero(np.repeat(sizes > TEMPLATE_ITEMS, sizes))
    if not len(often):
        return result
    owner = sets[unit[often]]
    limit = np.maximum(TEMPLATE_ITEMS, np.bincount(sets) * TEMPLATE_SHARE)[owner]
    frame = pl.DataFrame({"run": runs[often], "owner": owner, "unit": unit[often]})
    many = frame.select(pl.col("unit").n_unique().over("run", "owner")).to_series().to_numpy()
    result[often] = many > limit
    return result
