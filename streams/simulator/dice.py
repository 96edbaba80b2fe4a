"""Seeded randomness: every choice of the simulator comes from one of these, never from the clock."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Weights:
    """Cumulative weights of a discrete distribution, computed once."""

    __slots__ = ("cumulative", "total")

    def __init__(self, weights: Sequence[float]) -> None:
        self.cumulative = list(accumulate(weights))
        self.total = self.cumulative[-1]


class Dice:
    """One independent random stream, named by its seed parts.

    The name is hashed by `random.Random` with SHA-512, so streams do not depend on PYTHONHASHSEED.
    `random()` is uniform in [0, 1), `bits(n)` an integer of n random bits.
    """

    __slots__ = ("bits", "gauss", "random")

    def __init__(self, *name: str | int) -> None:
        source = Random(":".join(str(part) for part in name))
        self.random = source.random
        self.bits = source.getrandbits
        self.gauss = source.gauss

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[int(self.random() * len(options))]

    def index(self, weights: Weights) -> int:
        """An index drawn by weight."""
        return bisect(weights.cumulative, self.random() * weights.total)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random() < probability

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + int(self.random() * (high - low + 1))

    def uniform(self, low: float, high: float) -> float:
        """A float in [low, high)."""
        return low + self.random() * (high - low)

    def log_uniform(self, low: float, high: float) -> float:
        """A float in [low, high) whose logarithm is uniform: delays spread over magnitudes."""
        return low * math.exp(self.random() * math.log(high / low))

    def log_normal(self, median: float, spread: float) -> float:
        """A positive float with the given median; `spread` is the deviation of its logarithm."""
        return median * math.exp(self.gauss(0.0, spread))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in random order."""
        rest = list(items)
        for i in range(len(rest) - 1, 0, -1):
            j = int(self.random() * (i + 1))
            rest[i], rest[j] = rest[j], rest[i]
        return rest
