"""Ratings in long form: who gave which item which label. Gaps are simply not there."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np

from contracts.errors import LabelsInvalid
from curation.agreement.bootstrap import Floats, Ints

Label = str | int | float | bool

MAX_CELLS: Final = 100_000_000
"""Most cells of the table items × categories; beyond it the labels are free text, not categories."""


class Level(StrEnum):
    """What the distance between two labels means (Stevens' levels of measurement)."""

    NOMINAL = "nominal"
    """the same or not"""
    ORDINAL = "ordinal"
    """an order; how far apart depends on how many labels lie between"""
    INTERVAL = "interval"
    """differences mean something"""
    RATIO = "ratio"
    """differences in proportion to size; nothing below zero"""


@dataclass(frozen=True)
class Ratings:
    """Ratings as parallel arrays of indices into ``items``, ``raters`` and ``categories``.

    One rating per item and rater. ``categories`` are in order (numbers by size; else as given, else by
    name); ``numbers`` holds their values when all are numbers.
    """

    items: tuple[Hashable, ...]
    raters: tuple[str, ...]
    categories: tuple[Label, ...]
    item: Ints
    rater: Ints
    code: Ints
    times: Floats | None = None
    """When each rating was given, seconds; None when unknown."""

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[tuple[Hashable, str, Label | None]],
        *,
        order: Sequence[Label] | None = None,
        times: Sequence[float] | None = None,
    ) -> Ratings:
        """Take (item, rater, label) triples; a label of None is a gap.

        ``order`` names all categories from low to high. Raises `LabelsInvalid` when a rater rated an item
        twice or a label is not in ``order``.
        """
        triples = list(rows)
        kept = [n for n, (_, _, label) in enumerate(triples) if label is not None]
        labels: list[Label] = [label for n in kept if (label := triples[n][2]) is not None]
        categories = tuple(order) if order is not None else _ordered(set(labels))
        at = {category: n for n, category in enumerate(categories)}
        unknown = {label for label in labels if label not in at}
        if unknown:
            raise LabelsInvalid(
                f"labels outside the order given: {', '.join(sorted(map(str, unknown))[:5])}",
                hint="Name every label in the order, from low to high.",
            )
        items = {item: None for item, _, _ in triples}
        raters = sorted({str(rater) for _, rater, _ in triples})
        item_at = {item: n for n, item in enumerate(items)}
        rater_at = {rater: n for n, rater in enumerate(raters)}
        found = cls(
            items=tuple(items),
            raters=tuple(raters),
            categories=categories,
            item=np.array([item_at[triples[n][0]] for n in kept], dtype=np.int64),
            rater=np.array([rater_at[str(triples[n][1])] for n in kept], dtype=np.int64),
            code=np.array([at[label] for label in labels], dtype=np.int64),
            times=None if times is None else np.array([times[n] for n in kept], dtype=np.float64),
        )
        found._check()
        return found

    @classmethod
    def from_matrix(
        cls, rows: Mapping[str, Sequence[Label | None]], *, order: Sequence[Label] | None = None
    ) -> Ratings:
        """Take a reliability matrix: rater → label per item, None where the rater did not rate."""
        return cls.from_rows(
            ((n, rater, label) for rater, labels in rows.items() for n, label in enumerate(labels)),
            order=order,
        )

    def _check(self) -> None:
        pairs = self.item * max(len(self.raters), 1) + self.rater
        distinct, counted = np.unique(pairs, return_counts=True)
        if len(distinct) < len(pairs):
            item, rater = divmod(int(distinct[counted > 1][0]), len(self.raters))
            raise LabelsInvalid(
                f"{self.raters[rater]} rated {self.items[item]} more than once",
                hint="Keep one rating per item and rater.",
            )
        if len(self.items) * len(self.categories) > MAX_CELLS:
            raise LabelsInvalid(
                f"{len(self.categories):,} different labels over {len(self.items):,} items are no categories",
                hint="Is the label field the right one? Agreement needs categories or scores, not free text.",
            )

    @cached_property
    def counts(self) -> Ints:
        """(items, categories): how many raters gave the item the label."""
        cells = self.item * len(self.categories) + self.code
        size = len(self.items) * len(self.categories)
        counted = np.bincount(cells, minlength=size).astype(np.int64)
        return counted.reshape(len(self.items), len(self.categories))

    @cached_property
    def numbers(self) -> Floats | None:
        """Values of the categories; None when they are not numbers."""
        if all(isinstance(c, int | float) and not isinstance(c, bool) for c in self.categories):
            return np.array(self.categories, dtype=np.float64)
        return None

    @property
    def positions(self) -> Floats:
        """Where the categories lie on a line: their values, or else their places in the order."""
        return self.numbers if self.numbers is not None else np.arange(len(self.categories), dtype=np.float64)

    def without(self, rater: int) -> Ratings:
        """The ratings of all others."""
        keep = self.rater != rater
        return Ratings(
            items=self.items,
            raters=self.raters,
            categories=self.categories,
            item=self.item[keep],
            rater=self.rater[keep],
            code=self.code[keep],
        )


def _ordered(labels: set[Label]) -> tuple[Label, ...]:
    if all(isinstance(label, int | float) for label in labels):
        return tuple(sorted(labels, key=float))
    return tuple(sorted(labels, key=str))


def no_pairs(counts: Ints) -> str | None:
    """Why agreement cannot be spoken of at all, or None when at least one item has two ratings."""
    per_item = counts.sum(axis=1)
    if not per_item.any():
        return "there are no ratings"
    if per_item.max() < 2:
        return "no item has two ratings: there is nothing to compare"
    return None
