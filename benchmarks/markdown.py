"""Numbers and tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def number(value: float) -> str:
    """With thousands separators; up to one decimal."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")


def micros(seconds: float, events: int) -> str:
    """Microseconds per event."""
    return number(round(seconds / events * 1e6, 1))


def span(values: Sequence[int]) -> str:
    """Least to greatest."""
    low, high = min(values), max(values)
    return number(low) if low == high else f"{number(low)}–{number(high)}"
