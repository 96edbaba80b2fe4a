"""Labelled texts: templates filled with values, and where the values stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from benchmarks.redaction_set import fresh, templates
from benchmarks.redaction_set.values import Values

_SLOT: Final = re.compile(r"\{([a-z_]+(?::[0-9]+)?)\}")
_KIND: Final = {"password": "secret"}
Part = Literal["tuning", "report"]


class Label(NamedTuple):
    """A span that holds something personal."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Example:
    """A text and everything personal in it; `template` for a look at what went wrong."""

    text: str
    labels: tuple[Label, ...]
    template: str


def examples(part: Part, *, repeats: int, seed: int) -> Iterator[Example]:
    """Each template of a part `repeats` times, each time with other values and another text around it."""
    source = templates if part == "tuning" else fresh
    values = Values(seed)
    sentences = [sentence for kind in source.SENTENCES.values() for sentence in kind]
    for template in (*sentences, *source.NOTHING):
        for _ in range(repeats):
            yield _filled(template, values)


def _filled(template: str, values: Values) -> Example:
    text, labels, done = "", [], 0
    idname, national_id = values.national_id() if "{national_id}" in template else ("", "")
    for slot in _SLOT.finditer(template):
        text += template[done : slot.start()]
        done = slot.end()
        name = slot[1]
        if name == "idname":
            text += idname
            continue
        value = national_id if name == "national_id" else values.draw(name)
        if not name.startswith("digits:"):
            labels.append(Label(len(text), len(text) + len(value), _KIND.get(name, name)))
        text += value
    text += template[done:]
    # A signature ends with its line.
    carriers = [c for c in templates.CARRIERS if "\n" not in template or "{}\n" in c or c.endswith("{}")]
    before, _, after = values.random.choice(carriers).partition("{}")
    moved = tuple(Label(s + len(before), e + len(before), kind) for s, e, kind in labels)
    return Example(before + text + after, moved, template)
