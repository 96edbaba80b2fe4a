"""The users: who they are, what they like to do, what they consented to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from contracts.events import Consent
from streams.simulator.config import SimulationConfig
from streams.simulator.dice import Dice, Weights
from streams.simulator.habits import HABIT_MIX, HABITS, Habit
from streams.simulator.tasks import STYLES
from streams.simulator.texts import FEATURES

_SCOPES: Final[tuple[tuple[str, ...] | None, ...]] = (
    ("training",),
    ("training", "analytics"),
    ("analytics",),
    (),
    None,
)
_SCOPE_MIX: Final = Weights((62, 16, 7, 6, 9))
_SESSIONS_PER_USER: Final = 6


@dataclass(frozen=True, slots=True)
class ConsentChange:
    """One scope granted or revoked; `time_us` is UTC microseconds."""

    event_id: str
    time_us: int
    scope: str
    granted: bool


@dataclass(slots=True)
class User:
    """One user. `scopes` is None while the application does not know their consent."""

    user_id: str
    habit: Habit
    style: int
    favourite: str
    scopes: tuple[str, ...] | None
    policy: str
    changes: list[ConsentChange] = field(default_factory=list)

    def consent_at(self, time_us: int) -> Consent | None:
        """Consent as the application knew it at that moment."""
        scopes = self.scopes
        for change in self.changes:
            if change.time_us > time_us:
                break
            rest = tuple(s for s in scopes or () if s != change.scope)
            scopes = (*rest, change.scope) if change.granted else rest
        return None if scopes is None else Consent(scopes=list(scopes), policy_version=self.policy)


class Population:
    """All users; a few of them cause much of the traffic."""

    def __init__(self, config: SimulationConfig) -> None:
        count = max(12, config.sessions // _SESSIONS_PER_USER)
        self.users = [_user(config, i) for i in range(count)]

    def pick(self, d: Dice) -> User:
        """A user; the first ones come back more often."""
        return self.users[int(d.random() ** 1.6 * len(self.users))]


def _user(config: SimulationConfig, number: int) -> User:
    d = Dice("user", config.seed, number)
    user = User(
        user_id=f"u-{d.bits(40):010x}",
        habit=HABITS[d.index(HABIT_MIX)],
        style=d.between(0, STYLES - 1),
        favourite=d.pick(tuple(FEATURES)),
        scopes=_SCOPES[d.index(_SCOPE_MIX)],
        policy=d.pick(("2024-11", "2025-01")),
    )
    if d.chance(config.consent_change_rate):
        span = config.end_us - config.start_us
        times = sorted(
            config.start_us + int(d.random() * span / 1000) * 1000 for _ in range(1 + d.chance(0.25))
        )
        granted = "training" in (user.scopes or ())
        for time_us in times:
            granted = not granted
            user.changes.append(ConsentChange(f"c-{d.bits(64):016x}", time_us, "training", granted))
    return user
