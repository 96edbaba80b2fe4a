"""Charts a page can draw by itself: bars, intervals and histograms as numbers for `bars.html.j2`.

Widths are shares of the place there is, so one drawing fits wide and narrow pages. What is drawn depends on
nothing but the numbers: the same ones give the same bytes on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sinks.pages.palette import BLUE


@dataclass(frozen=True)
class Bar:
    """One bar: its name, what it stands for in words, its parts (size, colour), what is written below."""

    name: str
    value: str
    parts: Sequence[tuple[float, str]]
    scale: float
    notes: Sequence[str] = field(default_factory=list)

    @property
    def drawn(self) -> list[tuple[str, str, str]]:
        """Parts as (start, width, colour), both in percent of the bar; one too thin to be seen is widened."""
        found, start = [], 0.0
        for size, colour in self.parts:
            width = 100.0 * size / self.scale if self.scale else 0.0
            if size:
                found.append((f"{min(start, 99.75):.2f}", f"{max(width - 0.1, 0.25):.2f}", colour))
            start += width
        return found


@dataclass(frozen=True)
class Interval:
    """A share (0 to 1) with its interval, a row of a chart; `text` says it in words."""

    name: str
    share: float
    low: float
    high: float
    text: str

    @property
    def drawn(self) -> tuple[str, str, str]:
        """Share, lower and upper end in percent of the width."""
        share, low, high = (f"{100 * value:.2f}" for value in (self.share, self.low, self.high))
        return share, low, high


@dataclass(frozen=True)
class Histogram:
    """Rows per bin of equal width over [low, high]; `label` says in words what is drawn."""

    counts: Sequence[int]
    low: str
    high: str
    label: str
    colour: str = BLUE

    @property
    def drawn(self) -> list[tuple[str, str, str, str]]:
        """Columns as (x, y, width, height) in a box of 100 × 100."""
        top, width = max(self.counts, default=0), 100 / max(len(self.counts), 1)
        return [
            (f"{n * width:.2f}", f"{100 - height:.2f}", f"{width - 0.6:.2f}", f"{height:.2f}")
            for n, count in enumerate(self.counts)
            if count and (height := max(100 * count / top, 1.0))
        ]
