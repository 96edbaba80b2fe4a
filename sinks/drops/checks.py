"""What is asserted of a drop before it is published."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was asserted of the rows, and what was found (counts, as text)."""

    name: str
    success: bool
    expected: str
    actual: str
