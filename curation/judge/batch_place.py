"""What batch mode needs of its surroundings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OnPoll = Callable[[int, int], None]
"""Called with (answered, asked) of the batches that are waited for."""


@dataclass(frozen=True, kw_only=True)
class Batches:
    """A folder to remember batches in while they are out, and somebody to tell.

    `on_poll` is told after every look at the batches how many of their questions are answered.
    """

    folder: Path
    on_poll: OnPoll | None = None
