"""Habits: what users do with a response they find good or bad. Numbers are weights, not truths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streams.simulator.dice import Weights

EDIT: Final = "edit"
REGENERATE: Final = "regenerate"
REPHRASE: Final = "rephrase"
ABANDON: Final = "abandon"
ESCALATE: Final = "escalate"
COPY: Final = "copy"
ACCEPT: Final = "accept"
SILENT: Final = "silent"

DISPLEASED: Final = (EDIT, REGENERATE, REPHRASE, ABANDON, ESCALATE, COPY, SILENT)
PLEASED: Final = (ACCEPT, COPY, EDIT, SILENT, REGENERATE)


@dataclass(frozen=True, slots=True)
class Habit:
    """A kind of user. Weights follow the order of `DISPLEASED` and `PLEASED`."""

    name: str
    displeased: Weights
    pleased: Weights


def _habit(name: str, displeased: tuple[float, ...], pleased: tuple[float, ...]) -> Habit:
    return Habit(name, Weights(displeased), Weights(pleased))


HABITS: Final = (
    _habit("pragmatic", (34, 24, 18, 12, 3, 6, 9), (38, 30, 6, 24, 2)),
    _habit("editor", (66, 10, 10, 8, 2, 5, 7), (34, 20, 22, 22, 2)),
    _habit("never_edits", (0, 34, 32, 18, 4, 4, 8), (36, 32, 0, 29, 3)),
    _habit("always_copies", (14, 14, 12, 8, 2, 42, 8), (12, 74, 3, 10, 1)),
    _habit("silent", (6, 8, 8, 28, 1, 5, 44), (12, 16, 2, 69, 1)),
    _habit("persistent", (12, 44, 30, 6, 3, 2, 3), (40, 26, 5, 24, 5)),
    _habit("vocal", (20, 18, 16, 12, 22, 3, 9), (42, 26, 5, 25, 2)),
)
HABIT_MIX: Final = Weights((30, 17, 14, 10, 11, 11, 7))

MISTAKEN_DISLIKE: Final = 0.04
"""Share of good responses that users find bad all the same."""
