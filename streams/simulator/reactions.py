"""What a user does with one response: the signals, and where the session goes next.

Everything follows from what the user *perceives*, which follows the truth only by chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from contracts.validation import SECOND
from streams.simulator import failures, habits
from streams.simulator.config import SimulationConfig
from streams.simulator.dice import Dice
from streams.simulator.edits import correct, polish
from streams.simulator.habits import Habit
from streams.simulator.replies import Reply

END: Final = "end"
FOLLOW_UP: Final = "follow_up"
NEW_TASK: Final = "new_task"

_COMMENTS: Final = (
    "The date in here is not the one I gave.",
    "Please look at the numbers, they are off.",
    "That was no help at all.",
    "I had to rewrite half of it.",
    "Not what I asked for.",
)
# front ends disagree on how to spell a thumb
_THUMBS_UP: Final[tuple[float | bool | str, ...]] = (1.0, 1.0, True, "up")
_THUMBS_DOWN: Final[tuple[float | bool | str, ...]] = (-1.0, -1.0, False, "down")
_PRAISE: Final = ("Spot on.", "Great, saved me time.", "Good, thanks.", "Works.")


@dataclass(slots=True)
class Signal:
    """One signal, `after_us` microseconds after the response was shown."""

    kind: str
    after_us: int
    value: float | bool | str | None = None
    text: str | None = None


@dataclass(slots=True)
class Reaction:
    """The signals in order, the next step, and whether the response was used or repaired."""

    signals: list[Signal] = field(default_factory=list)
    next_step: str = END
    used: bool = False
    repaired: bool = False
    pause_us: int = 0
    """Time until the next request, microseconds after the response was shown."""


def react(
    d: Dice, config: SimulationConfig, habit: Habit, reply: Reply, *, attempt: int, last: bool
) -> Reaction:
    """The user's reaction. `attempt` counts the tries at this prompt; `last` forbids another request."""
    displeased = d.chance(failures.NOTICED[reply.reason] if reply.reason else habits.MISTAKEN_DISLIKE)
    r = Reaction()
    seconds = d.log_normal(14.0 if displeased else 24.0, 0.7)
    clock = int(min(seconds, 240.0) * SECOND)
    if reply.text is not None and d.chance(0.6):
        r.signals.append(Signal("dwell", clock, float(round(seconds * 1000))))
    if reply.error_type:
        clock = _after_error(d, r, clock, last=last)
    elif displeased:
        clock = _displeased(d, config, habit, reply, r, clock, attempt=attempt, last=last)
    else:
        clock = _pleased(d, habit, reply, r, clock, attempt=attempt, last=last)
    _explicit(d, config, r, clock, displeased=displeased)
    gap = d.log_normal(9.0, 0.5) if r.next_step in (habits.REGENERATE, "retry") else d.log_normal(35.0, 0.8)
    if r.next_step == NEW_TASK:
        gap *= 4
    # the next request comes after every signal of this one
    r.pause_us = clock + int(min(gap, 900.0) * SECOND) + 2 * SECOND
    return r


def _after_error(d: Dice, r: Reaction, clock: int, *, last: bool) -> int:
    if not last and d.chance(0.7):
        r.signals.append(Signal("retry", clock))
        r.next_step = "retry"
    elif d.chance(0.4):
        r.signals.append(Signal(habits.ABANDON, clock))
    return clock


def _displeased(
    d: Dice,
    config: SimulationConfig,
    habit: Habit,
    reply: Reply,
    r: Reaction,
    clock: int,
    *,
    attempt: int,
    last: bool,
) -> int:
    action = habits.DISPLEASED[d.index(habit.displeased)]
    editable = reply.reason is None or reply.reason in failures.EDITABLE
    if action == habits.EDIT and not editable:
        action = habits.REPHRASE if d.chance(0.5) else habits.REGENERATE
    if action in (habits.REGENERATE, habits.REPHRASE) and (last or attempt >= 3):
        action = habits.ABANDON
    if action == habits.EDIT:
        clock += int(min(d.log_normal(40, 0.6), 300.0) * SECOND)
        if reply.reason is not None and d.chance(0.92):
            r.signals.append(Signal("edit", clock, text=correct(d, reply, pii_rate=config.pii_rate / 3)))
            r.repaired = True
        else:
            r.signals.append(Signal("edit", clock, text=polish(d, reply.text or "")))
        r.used = True
        if d.chance(0.5):
            clock += int(d.uniform(1, 8) * SECOND)
            r.signals.append(Signal(d.pick((habits.COPY, habits.ACCEPT)), clock))
        _go_on(d, r, last=last, end=0.45)
    elif action == habits.REGENERATE:
        r.signals.append(Signal("regenerate", clock))
        r.next_step = habits.REGENERATE
    elif action == habits.REPHRASE:
        r.next_step = habits.REPHRASE
    elif action == habits.ABANDON:
        if d.chance(0.55):
            r.signals.append(Signal("abandon", clock))
    elif action == habits.ESCALATE:
        r.signals.append(Signal(habits.ESCALATE, clock))
        if d.chance(0.35):
            clock += int(d.uniform(3, 20) * SECOND)
            r.signals.append(Signal("report", clock, text=d.pick(_COMMENTS)))
    elif action == habits.COPY:
        r.signals.append(Signal("copy", clock))
        r.used = True
        _go_on(d, r, last=last, end=0.5)
    else:
        r.used = d.chance(0.4)
        _go_on(d, r, last=last, end=0.6)
    if r.used and not r.repaired and d.chance(0.3):
        clock += int(d.uniform(2, 25) * SECOND)
        r.signals.append(Signal("undo", clock))
    return clock


def _pleased(
    d: Dice,
    habit: Habit,
    reply: Reply,
    r: Reaction,
    clock: int,
    *,
    attempt: int,
    last: bool,
) -> int:
    action = habits.PLEASED[d.index(habit.pleased)]
    if attempt > 1 and action == habits.SILENT and d.chance(0.6):
        # who has asked twice tends to say that it is right now
        action = habits.ACCEPT
    if action == habits.REGENERATE and (last or attempt >= 2):
        action = habits.ACCEPT
    r.used = True
    if action == habits.ACCEPT:
        r.signals.append(Signal("accept", clock))
        if d.chance(0.25):
            clock += int(d.uniform(1, 10) * SECOND)
            r.signals.append(Signal("copy", clock))
    elif action == habits.COPY:
        r.signals.append(Signal("copy", clock))
    elif action == habits.EDIT:
        clock += int(min(d.log_normal(15, 0.5), 300.0) * SECOND)
        text = polish(d, reply.text or "")
        r.signals.append(Signal("edit", clock, text=text))
        if d.chance(0.7):
            clock += int(d.uniform(1, 8) * SECOND)
            r.signals.append(Signal("accept", clock))
    elif action == habits.REGENERATE:
        # plain curiosity: what else would it say
        r.signals.append(Signal("regenerate", clock))
        r.next_step, r.used = habits.REGENERATE, False
        return clock
    if d.chance(0.008):
        clock += int(d.uniform(2, 20) * SECOND)
        r.signals.append(Signal("undo", clock))
    _go_on(d, r, last=last, end=0.42)
    return clock


def _go_on(d: Dice, r: Reaction, *, last: bool, end: float) -> None:
    if not last and not d.chance(end):
        r.next_step = FOLLOW_UP if d.chance(0.6) else NEW_TASK


def _explicit(d: Dice, config: SimulationConfig, r: Reaction, clock: int, *, displeased: bool) -> None:
    # unhappy people speak up more often; the average stays at the configured rate
    if not d.chance(config.explicit_rate * (1.6 if displeased else 0.85)):
        return
    after = clock + int(d.uniform(0.5, 1.5) * SECOND)
    if d.chance(0.7):
        value = d.pick(_THUMBS_DOWN if displeased else _THUMBS_UP)
        r.signals.append(Signal("thumbs", after, value))
    else:
        r.signals.append(Signal("rating", after, float(d.between(1, 2) if displeased else d.between(4, 5))))
    if d.chance(0.4):
        r.signals.append(Signal("comment", after, text=d.pick(_COMMENTS if displeased else _PRAISE)))
