"""The budget of a run: counted before calls are made, so that it is never overdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from curation.judge.verdicts import Spend

_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Prices:
    """What a model charges, US dollars per million tokens."""

    input_per_million: float = 0.0
    output_per_million: float = 0.0

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Price of one answer, US dollars."""
        return (input_tokens * self.input_per_million + output_tokens * self.output_per_million) / _MILLION


class Budget:
    """Most calls in one run, shared by everything that judges in it. For one event loop's use."""

    def __init__(self, max_calls: int) -> None:
        self.max_calls = max_calls
        self.calls = 0

    def take(self) -> bool:
        """Reserve one call for good; False when none is left."""
        if self.calls >= self.max_calls:
            return False
        self.calls += 1
        return True


class Ledger:
    """What one item has cost so far.

    A call whose request was turned down (429, 5xx) costs nothing, so its retry uses the same
    reservation; an answer, good or bad, and a request whose fate is unknown (timeout, broken
    connection) use theirs up.
    """

    def __init__(self, budget: Budget, prices: Prices) -> None:
        self._budget = budget
        self._prices = prices
        self._reserved = False
        self.spent = Spend()

    def reserve(self) -> bool:
        """Make sure a call may be made; False when the budget is spent."""
        if not self._reserved:
            self._reserved = self._budget.take()
        return self._reserved

    def settle(self, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Book the reserved call with the tokens it is known to have used."""
        self._reserved = False
        self.spent += Spend(
            calls=1,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_usd=self._prices.cost(input_tokens, output_tokens),
        )
