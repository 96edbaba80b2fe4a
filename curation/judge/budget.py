"""The budget of a run: reserved before a call is made, and booked when its price is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contracts.settings import JudgeEndpointSettings, JudgeSettings
from curation.judge.verdicts import Spend

_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Prices:
    """What a model charges, US dollars per million tokens; `share` of it for calls through the Batch API."""

    input_per_million: float = 0.0
    output_per_million: float = 0.0
    share: float = 1.0

    @classmethod
    def from_settings(cls, settings: JudgeEndpointSettings, *, share: float = 1.0) -> Prices:
        """The prices the settings name."""
        return cls(settings.input_usd_per_million, settings.output_usd_per_million, share)

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Price of one answer, US dollars."""
        full = input_tokens * self.input_per_million + output_tokens * self.output_per_million
        return full * self.share / _MILLION

    def spend(self, input_tokens: int, output_tokens: int) -> Spend:
        """One call with these tokens, priced."""
        return Spend(
            calls=1,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_usd=self.cost(input_tokens, output_tokens),
        )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Most calls, tokens (read and written) and US dollars; None: no limit."""

    calls: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None

    @classmethod
    def of_run(cls, settings: JudgeSettings) -> Limits:
        """What one nightly run may spend."""
        return cls(calls=settings.max_calls, tokens=settings.max_total_tokens, cost_usd=settings.max_cost_usd)

    @classmethod
    def of_hour(cls, settings: JudgeSettings) -> Limits:
        """What the online judge may spend in an hour."""
        return cls(
            calls=settings.online_calls_per_hour,
            tokens=settings.online_tokens_per_hour,
            cost_usd=settings.online_cost_per_hour_usd,
        )

    def scaled(self, share: float) -> Limits:
        """A share of every limit."""
        return Limits(
            calls=None if self.calls is None else int(self.calls * share),
            tokens=None if self.tokens is None else int(self.tokens * share),
            cost_usd=None if self.cost_usd is None else self.cost_usd * share,
        )

    def less(self, spend: Spend) -> Limits:
        """What is left of every limit after a spend, at least nothing."""
        return Limits(
            calls=None if self.calls is None else max(0, self.calls - spend.calls),
            tokens=None if self.tokens is None else max(0, self.tokens - spend.tokens),
            cost_usd=None if self.cost_usd is None else max(0.0, self.cost_usd - spend.cost_usd),
        )

    def exceeded(self, spend: Spend) -> str:
        """The first limit that is exceeded (`calls`, `tokens`, `cost`), or nothing."""
        if self.calls is not None and spend.calls > self.calls:
            return "calls"
        if self.tokens is not None and spend.tokens > self.tokens:
            return "tokens"
        if self.cost_usd is not None and spend.cost_usd > self.cost_usd:
            return "cost"
        return ""


class Budget:
    """What one run may spend, shared by everything that asks in it. For one thread's use at a time.

    An estimate is reserved before a call and replaced by what the call came to, so the number of calls is
    never overdrawn, and tokens and money by no more than estimates of calls in flight were wrong.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.spent = Spend()
        self.reserved = Spend()

    def lacks(self, estimate: Spend) -> str:
        """The limit that a call of this estimate would break (`calls`, `tokens`, `cost`), or nothing."""
        return self.limits.exceeded(self.spent + self.reserved + estimate)

    def take(self, estimate: Spend) -> bool:
        """Reserve a call; False when it would break a limit."""
        if self.lacks(estimate):
            return False
        self.reserved += estimate
        return True

    def release(self, estimate: Spend) -> None:
        """Give a reservation back: the call was never billed."""
        self.reserved -= estimate

    def book(self, estimate: Spend, spent: Spend) -> None:
        """Replace a reservation by what the call came to."""
        self.reserved -= estimate
        self.spent += spent


class Ledger:
    """What one question has cost so far.

    A call whose request was turned down (429, 5xx) costs nothing, so its retry uses the same
    reservation; an answer, good or bad, and a request whose fate is unknown (timeout, broken
    connection) use theirs up.
    """

    def __init__(self, budget: Budget, prices: Prices) -> None:
        self._budget = budget
        self._prices = prices
        self._reserved: Spend | None = None
        self.spent = Spend()

    def reserve(self, input_tokens: int, output_tokens: int) -> bool:
        """Make sure a call of about this size may be made; False when the budget does not allow it."""
        if self._reserved is None:
            estimate = self._prices.spend(input_tokens, output_tokens)
            if not self._budget.take(estimate):
                return False
            self._reserved = estimate
        return True

    def lacks(self, input_tokens: int, output_tokens: int) -> str:
        """The limit a call of this size would break."""
        return self._budget.lacks(self._prices.spend(input_tokens, output_tokens))

    def settle(self, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Book the reserved call with the tokens it is known to have used."""
        spent = self._prices.spend(input_tokens, output_tokens)
        self._budget.book(self._reserved or Spend(), spent)
        self._reserved = None
        self.spent += spent

    def close(self) -> None:
        """Give back what was reserved and never billed."""
        if self._reserved is not None:
            self._budget.release(self._reserved)
            self._reserved = None


class TokenEstimate:
    """Tokens of a text before a server has counted them: bytes times a ratio learnt from its answers."""

    UNKNOWN: Final = 0.4
    """Tokens per byte before the first answer; English text has about 0.25."""
    MARGIN: Final = 1.15
    _LEARNT_FROM: Final = 20_000

    def __init__(self) -> None:
        self._bytes = 0
        self._tokens = 0

    def learn(self, size_bytes: int, tokens: int) -> None:
        """A text of this size came to so many tokens (0: the server did not say)."""
        if tokens > 0:
            self._bytes += size_bytes
            self._tokens += tokens

    def __call__(self, size_bytes: int) -> int:
        """An estimate that is rather too high than too low."""
        known = self._bytes >= self._LEARNT_FROM
        ratio = self._tokens / self._bytes * self.MARGIN if known else self.UNKNOWN
        return int(size_bytes * ratio) + 1
