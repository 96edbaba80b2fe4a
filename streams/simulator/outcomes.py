"""What happens downstream, minutes to days after a response was used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contracts.events import OutcomeRecorded
from contracts.topics import OUTCOMES
from contracts.validation import DAY, SECOND
from streams.simulator.config import SimulationConfig
from streams.simulator.dice import Dice
from streams.simulator.grammar import Feature, OutcomeSpec
from streams.simulator.wire import Sent, encode, rfc3339

_MINUTE: Final = 60 * SECOND
_P_FAILURE_BAD: Final = 0.82
_P_FAILURE_REPAIRED: Final = 0.3
_P_FAILURE_GOOD: Final = 0.05


@dataclass(slots=True)
class Served:
    """A response as far as its outcome is concerned. Times are UTC microseconds."""

    request_id: str
    shown_us: int
    bad: bool
    used: bool
    repaired: bool
    feature: Feature


def outcomes(
    d: Dice, config: SimulationConfig, session_id: str | None, served: Served, *, last: bool
) -> list[Sent]:
    """The outcome events of one response; `last` says that no request of the session came later."""
    found: list[Sent] = []
    coverage = 1.0 if served.used else 0.1
    for spec in served.feature.outcomes:
        if d.chance(spec.coverage * coverage):
            found += _chain(d, config, session_id, served, spec, last=last)
    return found


def _chain(
    d: Dice,
    config: SimulationConfig,
    session_id: str | None,
    served: Served,
    spec: OutcomeSpec,
    *,
    last: bool,
) -> list[Sent]:
    """One outcome: usually a single event, sometimes an unknown one first or an amendment after it."""
    risk = _P_FAILURE_GOOD
    if served.bad:
        risk = _P_FAILURE_REPAIRED if served.repaired else _P_FAILURE_BAD
    success = not d.chance(risk)
    roll = d.random()
    states: list[bool | None] = [success]
    if roll < 0.04:
        # counted one way at first and corrected later
        states = [not success, success]
    elif roll < 0.07:
        states = [None, success]
    elif roll < 0.09:
        states = [None]
    shape = d.random()
    named_request: str | None = served.request_id
    named_session = session_id
    if shape < 0.05 or session_id is None:
        named_session = None
    elif shape < 0.12 and last:
        named_request = None
    key = (named_session or served.request_id).encode()
    sent: list[Sent] = []
    previous: str | None = None
    time_us = served.shown_us
    for state in states:
        before = time_us
        time_us = _later(d, config, before, spec)
        event = OutcomeRecorded(
            event_id=f"o-{d.bits(64):016x}",
            session_id=named_session,
            request_id=named_request,
            occurred_at=rfc3339(time_us),
            # an outcome that is still open is reported under the name it will have if all goes well
            kind=spec.failed if state is False else spec.succeeded,
            success=state,
            value=round(d.random(), 3) if d.chance(0.1) else None,
            source=spec.source,
            supersedes=previous,
        )
        previous = event.event_id
        # "days later" is the second phase of a demo; an amendment never overtakes what it amends
        late = time_us - served.shown_us > DAY or (bool(sent) and sent[-1].late)
        sent.append(Sent(OUTCOMES, key, encode(event), time_us, late))
    return sent


def _later(d: Dice, config: SimulationConfig, after_us: int, spec: OutcomeSpec) -> int:
    delay = int(d.log_uniform(*spec.delay_minutes) * _MINUTE)
    remaining = config.end_us - after_us
    if delay >= remaining:
        delay = int(remaining * d.random())
    return (after_us + delay) // 1000 * 1000
