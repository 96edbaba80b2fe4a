"""The shape of text material: features are data, and `tasks` and `replies` speak with it.

A slot is a tuple of alternative templates, `""` among them makes it optional. Templates name facts
in braces (`str.format`), so one set of facts gives many prompts and replies that agree on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from streams.simulator.dice import Dice

Slot = tuple[str, ...]
Facts = dict[str, str]
Line = tuple[Slot, str]
"""A chosen template together with the slot it was chosen from."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A later turn of the conversation: new values for some facts, and how the user asks for them."""

    ask: Slot
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Instruction:
    """Something the user asks for beside the task, and what obeying or ignoring it looks like."""

    ask: Slot
    obeyed: Slot
    ignored: Slot


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of task of a feature.

    `opening` comes first, `body` may change its order, `answer` keeps it. `checkable` names the facts
    a reply can get wrong.
    """

    name: str
    opening: Slot
    body: tuple[Slot, ...]
    answer: tuple[Slot, ...]
    checkable: tuple[str, ...]
    topic: str
    followups: tuple[FollowUp, ...]
    ordered: bool = False
    """Whether the body's order carries meaning (a document, a piece of code)."""


@dataclass(frozen=True, slots=True)
class OutcomeSpec:
    """What can happen downstream of a feature; delays in minutes."""

    succeeded: str
    failed: str
    source: str
    coverage: float
    """Share of the used responses that ever get an outcome."""
    delay_minutes: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of the simulated product."""

    name: str
    system: Slot
    """System prompts, one per prompt version in use."""
    cases: tuple[Case, ...]
    facts: dict[str, Callable[[Dice], str]]
    instructions: tuple[Instruction, ...]
    outcomes: tuple[OutcomeSpec, ...]
    formats: tuple[str, ...] = ("bullets", "json", "headings", "fenced")
    """Wrong formats a bad reply may take (`replies.FORMATS`)."""
    separator: str = " "
    asking_separator: str = " "
    derive: Callable[[Dice | None, Facts], None] | None = None
    """Adds facts made of other facts; called again, without dice, after one of them changed."""
    closing: bool = False
    """Whether answers end with a closing line, before which extra lines belong."""
    difficulty: float = 1.0
    tool: str | None = None
    """Name of the tool the feature may call."""
    surfaces: tuple[str, ...] = field(default=("web",))
