"""One task of a user: facts, what the user asks, and how the asking goes on."""

from __future__ import annotations

from typing import Final

from streams.simulator import pii
from streams.simulator.dice import Dice
from streams.simulator.grammar import Case, Facts, Feature, Instruction

_INSISTING: Final = (
    "No, again:", "That is not what I asked.", "Try again, please:", "You misunderstood me.", "Once more:",
    "This is not right.", "Let me repeat:", "I meant the following:", "Not useful.", "Read it properly:",
)  # fmt: skip
_EMPHASIS: Final = (
    "Please stick to what I wrote.",
    "Check every number.",
    "Do it exactly like that.",
    "The last answer was wrong.",
    "Think about it before you answer.",
    "And do not leave anything out this time.",
)
_PREFIXES: Final = (
    ("", "", ""),
    ("", "hi, ", "quick one: ", "hey "),
    ("Hello! ", "Good day. ", "If you have a moment: ", ""),
    ("URGENT: ", "asap please - ", "", "in a hurry, "),
)
_SUFFIXES: Final = (
    ("", "", ""),
    ("", " thx", " pls", ""),
    (" Thank you very much!", " Many thanks in advance.", " Thanks!", ""),
    ("", " Need it now.", " Within the hour please.", ""),
)
STYLES: Final = len(_PREFIXES)
"""How users write: plain, casual, polite, rushed."""


class Task:
    """A case with its facts. `prompt` is what the user asked last; the facts never lie."""

    __slots__ = ("case", "facts", "feature", "instruction", "prompt", "style")

    def __init__(self, feature: Feature, case: Case, facts: Facts, style: int) -> None:
        self.feature = feature
        self.case = case
        self.facts = facts
        self.style = style
        self.instruction: Instruction | None = None
        self.prompt = ""

    def with_fact(self, key: str, value: str) -> Facts:
        """The facts with one of them replaced, and everything derived from it."""
        facts = self.facts | {key: value}
        if self.feature.derive:
            self.feature.derive(None, facts)
        return facts

    def ask(self, d: Dice) -> str:
        """A fresh wording of the whole prompt."""
        case, facts = self.case, self.facts
        body = [t for slot in case.body if (t := slot[int(d.random() * len(slot))])]
        if not case.ordered:
            body = d.shuffled(body)
        opening = d.pick(case.opening)
        glue = "" if opening.endswith("\n\n") else self.feature.asking_separator
        text = (opening + glue + self.feature.asking_separator.join(body)).format_map(facts)
        if self.instruction is not None:
            extra = d.pick(self.instruction.ask).format_map(facts)
            text += extra if extra.startswith("\n") else self.feature.asking_separator + extra
        return self._voiced(d, text)

    def rephrase(self, d: Dice) -> str:
        """The same wish again, most of it in the same words."""
        roll = d.random()
        if roll < 0.3:
            return f"{d.pick(_INSISTING)} {self.ask(d)}"
        if roll < 0.65:
            return f"{d.pick(_INSISTING)} {self.prompt}"
        if roll < 0.9:
            return f"{self.prompt} {d.pick(_EMPHASIS)}"
        return f"{d.pick(_INSISTING)} {self.prompt} {d.pick(_EMPHASIS)}"

    def follow_up(self, d: Dice) -> Task:
        """The next turn of the conversation: some facts change, the rest stays."""
        follow = d.pick(self.case.followups)
        facts = dict(self.facts)
        for key in follow.changes:
            facts[key] = self.feature.facts[key](d)
        if self.feature.derive:
            self.feature.derive(None, facts)
        task = Task(self.feature, self.case, facts, self.style)
        task.instruction = self.instruction
        task.prompt = task._voiced(d, d.pick(follow.ask).format_map(facts))
        return task

    def _voiced(self, d: Dice, text: str) -> str:
        prefix = d.pick(_PREFIXES[self.style])
        if prefix and not prefix.endswith((". ", "! ")) and text[1] != " ":
            text = text[0].lower() + text[1:]
        return f"{prefix}{text}{d.pick(_SUFFIXES[self.style])}"


def new_task(d: Dice, feature: Feature, *, style: int, pii_rate: float) -> Task:
    """Draw a case and its facts, and let the user ask for it."""
    facts = {key: make(d) for key, make in feature.facts.items()}
    if feature.derive:
        feature.derive(d, facts)
    task = Task(feature, d.pick(feature.cases), facts, style)
    if d.chance(0.6):
        task.instruction = d.pick(feature.instructions)
    task.prompt = task.ask(d)
    if d.chance(pii_rate):
        task.prompt += f"{feature.asking_separator}{pii.clause(d)}"
    return task
