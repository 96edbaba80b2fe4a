"""What an engineer runs after a change of the base model, and why. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal

from sinks.models import Impact


@dataclass(frozen=True)
class Advice:
    """A command. reproduce: the old drop as it was. replace: new rows for those that are stale."""

    purpose: Literal["reproduce", "replace"]
    command: str
    why: str


def advice(found: Impact, base_model: str, *, successor: str | None = None) -> list[Advice]:
    """The commands for one drop. successor: the drop in force when somebody was erased from this one."""
    return [_reproduce(found, successor), _replace(found, base_model)]


def _reproduce(found: Impact, successor: str | None) -> Advice:
    """The same inputs give the same rows, stale ones included: that is for comparing, not for training."""
    if successor is not None:
        why = (
            f"somebody was erased from {found.drop_id}: it cannot be had again, {successor} stands in for it"
        )
        return Advice("reproduce", f"tailrace drops show {successor}", why)
    why = (
        "the very rows the models were trained on, to measure the new base against them"
        + (f"; the {found.people:,} rows that people wrote stay true" if found.people else "")
        + (", the stale ones stay stale" if found.stale else "")
    )
    return Advice("reproduce", f"tailrace drops rebuild {found.drop_id}", why)


def _replace(found: Impact, base_model: str) -> Advice:
    command = (
        f"TAILRACE_CURATION__TARGET_FAMILY={shlex.quote(base_model)} "
        f"TAILRACE_CURATION__CHANNEL={shlex.quote(found.channel)} tailrace drop"
    )
    stale = f"the {found.stale:,} stale rows" if found.stale else "rows of other models"
    why = (
        f"when {base_model} has answered requests: a drop of what it got wrong itself replaces {stale}; "
        "as target family its own chosen answers are capped"
    )
    return Advice("replace", command, why)
