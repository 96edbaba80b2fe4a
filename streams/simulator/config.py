"""What to simulate: sizes, times and rates."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from contracts.errors import SettingsError
from contracts.validation import DAY, SECOND
from streams.simulator.texts import FEATURES

DEFAULT_START: Final = datetime(2025, 3, 3, tzinfo=UTC)
"""A fixed Monday, so that the default simulation never depends on the clock."""

MIN_DAYS: Final = 0.1
SESSION_SHARE: Final = 0.8
"""Sessions start in the first part of the span; the rest is left to delayed outcomes."""


@dataclass(frozen=True)
class SimulationConfig:
    """A simulated product. Rates are shares in [0, 1]; the same config gives the same bytes."""

    sessions: int = 2000
    """Number of sessions, each of 1 to 8 requests."""
    seed: int = 7
    """Names every random stream."""
    start: datetime = DEFAULT_START
    """First possible event time, with an offset."""
    days: float = 7.0
    """Length of the simulated span; every event time lies in [start, start + days]."""
    failure_rate: float = 0.2
    """Share of responses that are really bad, before the regression and outside it."""
    regressed_feature: str = "sql_help"
    """The feature whose new prompt version is worse."""
    regression_at: float = 0.45
    """Moment of that release, as a share of the span."""
    regressed_failure_rate: float = 0.5
    """Share of bad responses of the regressed feature from that moment."""
    explicit_rate: float = 0.01
    """Share of interactions with a thumb or a rating."""
    internal_rate: float = 0.04
    """Share of sessions caused by our own people."""
    synthetic_rate: float = 0.03
    """Share of sessions caused by load tests."""
    sessionless_rate: float = 0.02
    """Share of sessions from applications that know no sessions: one request, no session_id."""
    pii_rate: float = 0.06
    """Share of prompts that mention a (fake) e-mail address, phone or card number."""
    tool_rate: float = 0.04
    """Share of the requests of features with tools that carry tool calls."""
    metadata_only_rate: float = 0.015
    """Share of requests logged without any text."""
    sugar_rate: float = 0.03
    """Share of single-turn requests logged as `prompt`/`response` strings."""
    consent_change_rate: float = 0.06
    """Share of users who grant or revoke a scope during the span."""
    max_disorder_seconds: float = 45.0
    """Longest delay between an ordinary event and its arrival, seconds."""
    straggler_rate: float = 0.003
    """Share of live events that arrive really late: 2 to 90 minutes after they happened."""
    duplicate_rate: float = 0.01
    """Share of live events that are sent twice."""
    malformed_rate: float = 0.003
    """Malformed messages added, as a share of the live events."""

    def __post_init__(self) -> None:
        if self.sessions < 1:
            raise SettingsError("sessions: must be at least 1", hint="Simulate one session or more.")
        if self.days < MIN_DAYS:
            raise SettingsError(f"days: must be at least {MIN_DAYS}", hint="Simulate a longer span.")
        if self.start.tzinfo is None:
            raise SettingsError("start: has no offset", hint="Give a time zone, e.g. UTC.")
        if self.regressed_feature not in FEATURES:
            raise SettingsError(
                f"regressed_feature: unknown feature {self.regressed_feature!r}",
                hint=f"Choose one of {', '.join(FEATURES)}.",
            )
        shares = [f.name for f in fields(self) if f.name.endswith("_rate") or f.name == "regression_at"]
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name}: must lie in [0, 1]", hint="Give a share, e.g. 0.2.")
        if self.max_disorder_seconds < 0:
            raise SettingsError("max_disorder_seconds: is negative", hint="Give 0 or more seconds.")

    @cached_property
    def start_us(self) -> int:
        """First possible event time, UTC microseconds, on a whole millisecond."""
        return int(self.start.timestamp() * 1000) * 1000

    @cached_property
    def end_us(self) -> int:
        """Last possible event time, UTC microseconds."""
        return self.start_us + int(self.days * DAY / 1000) * 1000

    @property
    def regression_us(self) -> int:
        """Moment of the regression, UTC microseconds."""
        return self.start_us + int((self.end_us - self.start_us) * self.regression_at)

    @property
    def max_disorder_us(self) -> int:
        """Longest ordinary delivery delay in microseconds."""
        return int(self.max_disorder_seconds * SECOND)
