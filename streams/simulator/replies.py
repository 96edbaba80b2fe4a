"""What the model answers: good texts, and texts that are bad in a readable way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.simulator import failures
from streams.simulator.dice import Dice
from streams.simulator.grammar import Facts, Line
from streams.simulator.tasks import Task, new_task

_REFUSALS: Final = (
    "I'm sorry, but I can't help with {topic}. Please contact someone in {place} who is responsible for it.",
    "I am not able to assist with {topic}, as it may involve sensitive information about {place}.",
    "Unfortunately {topic} is beyond what I am allowed to do. Is there something else you need for {place}?",
    "As an AI model I cannot deal with {topic}. You may want to ask a professional near {place}.",
)
_BLOCKED: Final = (
    "The response was filtered.",
    "This content cannot be shown.",
    "The answer was withheld by the safety system.",
)
_HEADINGS: Final = ("## Result", "# Overview", "## Your answer", "### Draft version", "# Summary of my reply")
_FENCED: Final = (
    "Let me know if you would like the text in another format.",
    "You can copy the block above.",
    "Here you go, formatted as code.",
)


@dataclass(slots=True)
class Reply:
    """A response. `reason` is None when it is good.

    `fixed` is what a careful user would make of it: the right text with the same wording elsewhere.
    """

    text: str | None
    fixed: str
    reason: str | None
    finish_reason: str | None = "stop"
    error_type: str | None = None


def reply(d: Dice, task: Task, reason: str | None) -> Reply:
    """Answer the task, badly if a reason is given.

    The reason is replaced by another one where it cannot apply (no instruction to ignore).
    """
    lines = _lines(d, task)
    good = _render(task, lines, task.facts)
    if reason is None:
        return Reply(good, good, None)
    if reason == failures.IGNORED_INSTRUCTION and (bad := _ignoring(d, task, lines)) not in (None, good):
        return Reply(bad, good, reason)
    if reason in (failures.IGNORED_INSTRUCTION, failures.WRONG_FACT):
        bad = _wrong(d, task, lines, good)
        return Reply(bad, good, failures.WRONG_FACT) if bad is not None else _truncated(d, good)
    if reason == failures.TRUNCATED:
        return _truncated(d, good)
    if reason == failures.WRONG_FORMAT:
        parts = [text.format_map(task.facts) for _, text in lines]
        return Reply(_misformatted(d, d.pick(task.feature.formats), parts), good, reason)
    if reason == failures.OFF_TOPIC:
        other = new_task(d, task.feature, style=0, pii_rate=0.0)
        return Reply(_render(other, _lines(d, other), other.facts), good, reason)
    if reason == failures.UNJUSTIFIED_REFUSAL:
        place = task.facts.get("project") or task.facts["name"]
        return Reply(d.pick(_REFUSALS).format(topic=task.case.topic, place=place), good, reason)
    if reason == failures.CONTENT_FILTER:
        return Reply(d.pick(_BLOCKED), good, reason, "content_filter")
    error = d.pick(("timeout", "timeout", "rate_limited", "provider_overloaded", "internal_error"))
    return Reply(None, good, failures.ERROR, None, error)


def _lines(d: Dice, task: Task) -> list[Line]:
    lines = [(slot, text) for slot in task.case.answer if (text := slot[int(d.random() * len(slot))])]
    if task.instruction is not None and (text := d.pick(task.instruction.obeyed)):
        lines.insert(_extra_at(task, lines), (task.instruction.obeyed, text))
    return lines


def _extra_at(task: Task, lines: Sequence[Line]) -> int:
    return len(lines) - task.feature.closing


def _render(task: Task, lines: Sequence[Line], facts: Facts) -> str:
    return task.feature.separator.join([text for _, text in lines]).format_map(facts)


def _ignoring(d: Dice, task: Task, lines: Sequence[Line]) -> str | None:
    instruction = task.instruction
    if instruction is None:
        return None
    kept = [line for line in lines if line[0] is not instruction.obeyed]
    if text := d.pick(instruction.ignored):
        kept.insert(_extra_at(task, kept), (instruction.ignored, text))
    return _render(task, kept, task.facts)


def _wrong(d: Dice, task: Task, lines: Sequence[Line], good: str) -> str | None:
    """Get one or two facts wrong, and word the lines that name them differently."""
    wanted = 1 + d.chance(0.45)
    facts = task.facts
    changed = 0
    for key in d.shuffled(task.case.checkable):
        value = task.feature.facts[key](d)
        if value == task.facts[key]:
            continue
        candidate = task.with_fact(key, value)
        if task.feature.separator.join([t for _, t in lines]).format_map(candidate) == good:
            continue
        # the second fact is laid over the first, derived texts included
        facts = candidate if not changed else _merged(task, facts, key, value)
        changed += 1
        if changed == wanted:
            break
    if not changed:
        return None
    reworded: list[Line] = []
    for slot, text in lines:
        affected = text.format_map(facts) != text.format_map(task.facts)
        reworded.append((slot, _other(d, slot, text) if affected else text))
    bad = _render(task, reworded, facts)
    # another wording may happen not to name the fact at all
    if bad == _render(task, reworded, task.facts):
        return _render(task, lines, facts)
    return bad


def _merged(task: Task, facts: Facts, key: str, value: str) -> Facts:
    merged = facts | {key: value}
    if task.feature.derive:
        task.feature.derive(None, merged)
    return merged


def _other(d: Dice, slot: Sequence[str], text: str) -> str:
    others = [t for t in slot if t and t != text]
    return d.pick(others) if others else text


def _truncated(d: Dice, good: str) -> Reply:
    # in the middle of a word as a rule, as token limits do
    cut = good[: int(len(good) * d.uniform(0.45, 0.85))].rstrip()
    return Reply(cut, good, failures.TRUNCATED, "length" if d.chance(0.75) else "stop")


def _misformatted(d: Dice, form: str, parts: Sequence[str]) -> str:
    if form == "bullets":
        return f"{d.pick(_HEADINGS)}\n\n" + "\n".join(f"- **{p[0]}**{p[1:]}" for p in parts)
    if form == "json":
        return json.dumps({"status": "ok", "answer": list(parts)}, ensure_ascii=False, indent=2)
    if form == "headings":
        return "\n\n".join(f"{'#' * (i % 3 + 1)} Part {i + 1}\n> {p}" for i, p in enumerate(parts))
    if form == "fenced":
        return "```text\n" + "\n\n".join(parts) + f"\n```\n\n{d.pick(_FENCED)}"
    flat = " ".join(" ".join(parts).replace("```python", "").replace("```sql", "").replace("```", "").split())
    return f"{flat} {d.pick(_FENCED)} Everything is on one line so that it takes less space."
