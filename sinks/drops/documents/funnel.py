"""The funnel of a build as bars: what went on after each step, and every loss with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sinks.drops.documents.facts import rows_published
from sinks.pages.bars import Bar
from sinks.pages.palette import BLUE, GREEN, SET_ASIDE
from sinks.pages.text import count, plural, words

MAX_REASONS: Final = 6


@dataclass(frozen=True)
class FunnelStep:
    """One step of the nightly build: rows that came in, rows that left, and why the others did not.

    `seconds` is the time it took, None when that was not recorded.
    """

    name: str
    rows_in: int
    rows_out: int
    refused: Mapping[str, int] = field(default_factory=dict)
    seconds: float | None = None


def steps_of(
    manifest: Mapping[str, Any] | None, seconds: Mapping[str, float] | None = None
) -> list[FunnelStep]:
    """The steps of a drop's manifest, in order; `seconds` by step, where they were recorded."""
    times = seconds or {}
    return [
        FunnelStep(step["step"], step["in"], step["out"], step["refused"], times.get(step["step"]))
        for step in (manifest or {}).get("funnel", [])
    ]


def build_bars(steps: Sequence[FunnelStep], manifest: Mapping[str, Any] | None, floor: int = 0) -> list[Bar]:
    """Bars of a build's steps and of what it published, all on one scale of at least `floor` rows."""
    published = rows_published(manifest)
    pairs, unpaired = published or (0, 0)
    scale = max([floor, pairs, unpaired, *(s.rows_in for s in steps), *(s.rows_out for s in steps)])
    # Steps that refused nothing say nothing; the first stands for where the build began.
    drawn = [_step(step, scale) for n, step in enumerate(steps) if step.refused or not n]
    if published is not None:
        drawn += [
            Bar("Preference pairs", plural(pairs, "pair"), [(float(pairs), GREEN)], scale),
            Bar("Unpaired rows", plural(unpaired, "row"), [(float(unpaired), GREEN)], scale),
        ]
    return drawn


def losses(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons with rows, largest first; the long tail as one."""
    ordered = sorted(((k, v) for k, v in reasons.items() if v > 0), key=lambda item: (-item[1], item[0]))
    if len(ordered) <= MAX_REASONS:
        return ordered
    head, tail = ordered[: MAX_REASONS - 1], ordered[MAX_REASONS - 1 :]
    return [*head, (f"{len(tail)} other reasons", sum(v for _, v in tail))]


def _step(step: FunnelStep, scale: int) -> Bar:
    aside = losses(step.refused)
    parts = [(float(step.rows_out), BLUE), *((float(v), SET_ASIDE) for _, v in aside)]
    notes = [f"−{count(v)} {words(k)}" for k, v in aside] or ["nothing refused"]
    lost = step.rows_in - step.rows_out - sum(v for _, v in aside)
    if lost > 0:
        notes.append(f"−{count(lost)} not needed")
        parts.append((float(lost), SET_ASIDE))
    if step.seconds is not None:
        notes.append(f"{step.seconds:.1f} s")
    return Bar(words(step.name).capitalize(), plural(step.rows_out, "row"), parts, scale, notes)
