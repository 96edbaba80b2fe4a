"""The funnel from events to pairs: every loss with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from console.report.data import ReportData
from console.report.stats import Rate
from sinks.drops.documents.funnel import build_bars, losses
from sinks.pages.bars import Bar
from sinks.pages.palette import BLUE, FAIL, PALE_BLUE, SET_ASIDE
from sinks.pages.text import count, label, percent, plural

EVENT_WORDS: Final[dict[str, str]] = {
    "pending": "waiting for their window to close",
    "duplicate": "duplicates",
    "late": "late (folded in by settle)",
    "orphan": "without a request",
    "dead_letter": "dead letters",
}


def bars(data: ReportData, failures: Rate) -> list[Bar]:
    """The bars of the funnel, top to bottom. Events have a scale of their own; all else shares one."""
    rows = data.interactions.height
    drawn = [_events(data.accounting)] if data.accounting.get("consumed") else []
    built = build_bars(data.funnel, data.manifest, floor=rows)
    if rows:
        scale = max([rows, *(int(bar.scale) for bar in built)])
        drawn.append(_interactions(rows, failures, data.failure_threshold, scale))
    return drawn + built


def _events(accounting: Mapping[str, int]) -> Bar:
    consumed = accounting.get("consumed", 0)
    aside = losses({text: accounting.get(key, 0) for key, text in EVENT_WORDS.items()})
    joined = accounting.get("joined", 0)
    parts = [(float(joined), BLUE), *((float(v), SET_ASIDE) for _, v in aside)]
    notes = [f"{count(joined)} joined", *(f"{count(v)} {label(k)}" for k, v in aside)]
    return Bar("Events consumed", plural(consumed, "event"), parts, consumed, notes)


def _interactions(rows: int, failures: Rate, threshold: float, scale: int) -> Bar:
    failing = f"{count(failures.failures)} score as failures (≥ {threshold:.2f})"
    notes = [failing, f"{percent(failures.share)} of user traffic"]
    if rows > failures.rows:
        notes.append(f"{count(rows - failures.rows)} more are internal or synthetic")
    parts = [(float(failures.failures), FAIL), (float(rows - failures.failures), PALE_BLUE)]
    return Bar("Interactions", plural(rows, "request"), parts, scale, notes)
