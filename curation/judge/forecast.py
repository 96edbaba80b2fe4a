"""What judging would cost, said before it is paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from curation.judge.budget import Limits, Prices, TokenEstimate
from curation.judge.verdicts import Spend

TOKENS_PER_BYTE: Final = 0.25
"""What English text comes to, expected where nothing was measured."""

SHARE_OF_ANSWER: Final = 0.3
"""Share of the longest answer that one is expected to take, where nothing was measured."""

ENOUGH: Final = 20
"""Verdicts of an epoch from which its own averages are used."""


@dataclass(frozen=True, kw_only=True)
class Experience:
    """Averages of an epoch's verdicts so far: tokens per verdict, repairs included."""

    verdicts: int = 0
    input_tokens: float = 0.0
    output_tokens: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run would ask and pay.

    `contents`: distinct contents to be judged, of which `cached` have a verdict already. `asked`: how many of
    the others the limits should allow; the rest stays unjudged because of `limit` (`calls`, `tokens`,
    `cost`). `expected`: what those asked should cost; `at_most`: with the longest answers and the densest
    text, but without repairs.
    """

    contents: int = 0
    cached: int = 0
    asked: int = 0
    limit: str = ""
    expected: Spend = field(default_factory=Spend)
    at_most: Spend = field(default_factory=Spend)

    @property
    def unjudged(self) -> int:
        """Contents for which the limits leave nothing."""
        return self.contents - self.cached - self.asked

    def __add__(self, other: Forecast) -> Forecast:
        """Both runs, one after the other; a content that two judges look at counts twice."""
        return Forecast(
            contents=self.contents + other.contents,
            cached=self.cached + other.cached,
            asked=self.asked + other.asked,
            limit=self.limit or other.limit,
            expected=self.expected + other.expected,
            at_most=self.at_most + other.at_most,
        )


def forecast(
    sizes: Sequence[int],
    *,
    contents: int,
    max_tokens: int,
    prices: Prices,
    limits: Limits,
    experience: Experience | None = None,
) -> Forecast:
    """Forecast a run over questions that have no verdict yet, in the order they are asked.

    `sizes`: UTF-8 bytes of each question. `max_tokens`: longest answer. Pure.
    """
    known = experience if experience is not None and experience.verdicts >= ENOUGH else None
    expected, at_most, limit, asked = Spend(), Spend(), "", 0
    for size in sizes:
        if known is not None:
            call = prices.spend(round(known.input_tokens), round(known.output_tokens))
        else:
            call = prices.spend(round(size * TOKENS_PER_BYTE), round(max_tokens * SHARE_OF_ANSWER))
        if limit := limits.exceeded(expected + call):
            break
        expected += call
        at_most += prices.spend(int(size * TokenEstimate.UNKNOWN) + 1, max_tokens)
        asked += 1
    return Forecast(
        contents=contents,
        cached=contents - len(sizes),
        asked=asked,
        limit=limit,
        expected=expected,
        at_most=at_most,
    )
