"""Anthropic HH-RLHF rows (`prompt`, `chosen`, `rejected` as lists of role and content) as events.

Odd rows (by line, from 1) tell a regeneration: the rejected reply, a `regenerate`, the chosen reply to
the same prompt, an `accept`. Even rows tell a correction: the rejected reply, then an `edit` that
carries the chosen text. A few chosen replies are two assistant turns, which one edited text cannot be
without inventing what stands between them: those edits are told without their text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contracts.messages import message_text
from streams.adapters.session import AdapterOptions, Clock, Session, rows, turns
from streams.recordings import RawEvent

FEATURE: Final = "hh_rlhf"


def events(path: Path, options: AdapterOptions) -> Iterator[RawEvent]:
    """The events of a file, dialogue by dialogue. Raises `RecordingInvalid` for a row of another shape."""
    clock = Clock(options)
    feature = options.feature or FEATURE
    for told, (number, row) in enumerate(rows(path)):
        if options.limit is not None and told >= options.limit:
            return
        prompt = turns(path, number, row, "prompt")
        rejected = turns(path, number, row, "rejected")
        chosen = turns(path, number, row, "chosen")
        name = row["id"] if isinstance(row.get("id"), str) and row["id"] else f"hh-rlhf-{number:06d}"
        session = Session(name, clock.start(), feature, options)
        first = session.request(prompt, rejected, name="rejected")
        if number % 2:
            session.signal(first, "regenerate")
            second = session.request(prompt, chosen, name="chosen")
            session.signal(second, "accept")
        else:
            session.signal(first, "edit", text=message_text(chosen[0]) if len(chosen) == 1 else None)
        yield from clock.finish(session)
