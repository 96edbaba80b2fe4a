"""The funnel from events to pairs: every loss with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from console.report.chart import Figure, Spec, figure, inline
from console.report.data import FunnelStep, ReportData
from console.report.drop import rows_published
from console.report.palette import BLUE, FAIL, GREEN, GRID, INK, MUTED, PALE_BLUE, SET_ASIDE
from console.report.stats import Rate
from console.report.text import count, label, percent, plural, words, wrap

EVENT_WORDS: Final[dict[str, str]] = {
    "pending": "waiting for their window to close",
    "duplicate": "duplicates",
    "late": "late (folded in by settle)",
    "orphan": "without a request",
    "dead_letter": "dead letters",
}
MAX_REASONS: Final = 6
NAME_SIZE: Final = 13
NOTE_SIZE: Final = 12
BAR: Final = 16
LINE: Final = 16


@dataclass(frozen=True)
class Bar:
    """One bar: its name, the rows kept, the parts drawn (rows, colour), what is written below."""

    name: str
    value: str
    parts: list[tuple[float, str]]
    scale: int
    notes: list[str] = field(default_factory=list)


def _losses(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons with rows, largest first; the long tail as one."""
    ordered = sorted(((k, v) for k, v in reasons.items() if v > 0), key=lambda item: (-item[1], item[0]))
    if len(ordered) <= MAX_REASONS:
        return ordered
    head, tail = ordered[: MAX_REASONS - 1], ordered[MAX_REASONS - 1 :]
    return [*head, (f"{len(tail)} other reasons", sum(v for _, v in tail))]


def _events(accounting: Mapping[str, int]) -> Bar:
    consumed = accounting.get("consumed", 0)
    aside = _losses({text: accounting.get(key, 0) for key, text in EVENT_WORDS.items()})
    joined = accounting.get("joined", 0)
    parts = [(float(joined), BLUE), *((float(v), SET_ASIDE) for _, v in aside)]
    notes = [f"{count(joined)} joined", *(f"{count(v)} {label(k)}" for k, v in aside)]
    return Bar("Events consumed", plural(consumed, "event"), parts, consumed, notes)


def _interactions(rows: int, failures: Rate, threshold: float) -> Bar:
    failing = f"{count(failures.failures)} score as failures (≥ {threshold:.2f})"
    notes = [failing, f"{percent(failures.share)} of user traffic"]
    if rows > failures.rows:
        notes.append(f"{count(rows - failures.rows)} more are internal or synthetic")
    parts = [(float(failures.failures), FAIL), (float(rows - failures.failures), PALE_BLUE)]
    return Bar("Interactions", plural(rows, "request"), parts, rows, notes)


def _step(step: FunnelStep, scale: int) -> Bar:
    aside = _losses(step.refused)
    parts = [(float(step.rows_out), BLUE), *((float(v), SET_ASIDE) for _, v in aside)]
    notes = [f"−{count(v)} {words(k)}" for k, v in aside] or ["nothing refused"]
    lost = step.rows_in - step.rows_out - sum(v for _, v in aside)
    if lost > 0:
        notes.append(f"−{count(lost)} not needed")
        parts.append((float(lost), SET_ASIDE))
    if step.seconds is not None:
        notes.append(f"{step.seconds:.1f} s")
    return Bar(words(step.name).capitalize(), plural(step.rows_out, "row"), parts, scale, notes)


def bars(data: ReportData, failures: Rate) -> list[Bar]:
    """The bars of the funnel, top to bottom. Events have a scale of their own; all else shares one."""
    rows = data.interactions.height
    scale = max([rows, *(s.rows_in for s in data.funnel), *(s.rows_out for s in data.funnel)], default=0)
    drawn = [_events(data.accounting)] if data.accounting.get("consumed") else []
    if rows:
        drawn.append(_interactions(rows, failures, data.failure_threshold))
    # Steps that refused nothing say nothing; the first stands for where the build began.
    drawn += [_step(step, scale) for n, step in enumerate(data.funnel) if step.refused or not n]
    published = rows_published(data.manifest)
    if published is not None:
        pairs, unpaired = published
        scale = max(scale, pairs, unpaired)
        drawn += [
            Bar("Preference pairs", plural(pairs, "pair"), [(float(pairs), GREEN)], scale),
            Bar("Unpaired rows", plural(unpaired, "row"), [(float(unpaired), GREEN)], scale),
        ]
    return drawn


def chart(drawn: Sequence[Bar]) -> Figure | None:
    """The funnel as a figure, None without bars."""
    if not drawn:
        return None
    summary = "; ".join(f"{bar.name}: {bar.value}" for bar in drawn)
    return figure(lambda width: _spec(drawn, width), 920, 340, f"Funnel. {summary}.")


def _spec(drawn: Sequence[Bar], width: int) -> Spec:
    """Laid out here in pixels, because the height of a row depends on how its notes wrap."""
    rects: list[dict[str, Any]] = []
    names: list[dict[str, Any]] = []
    values: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    y = 0.0
    for bar in drawn:
        names.append({"x": 0, "y": y + NAME_SIZE, "text": bar.name})
        values.append({"x": width, "y": y + NAME_SIZE, "text": bar.value})
        y += NAME_SIZE + 8
        x = 0.0
        rects.append({"x": 0, "x2": width, "y": y + BAR - 1, "y2": y + BAR, "fill": GRID})
        for size, fill in bar.parts:
            length = width * size / bar.scale if bar.scale else 0.0
            # One pixel of gap between parts, but never a part so thin that it vanishes.
            drawn_length = max(length - 1, 0.75) if size else 0.0
            rects.append({"x": x, "x2": min(x + drawn_length, width), "y": y, "y2": y + BAR, "fill": fill})
            x += length
        y += BAR
        for line in wrap(bar.notes, width, NOTE_SIZE):
            y += LINE
            notes.append({"x": 0, "y": y, "text": line})
        y += 20
    height = max(y - 14, 1.0)
    scale_x = {
        "field": "x",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, width], "nice": False},
    }
    scale_y = {
        "field": "y",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, height], "range": [0, height], "nice": False},
    }

    def text(rows: list[dict[str, Any]], align: str, size: int, weight: str, color: str) -> Spec:
        mark = {"type": "text", "align": align, "baseline": "alphabetic", "fontSize": size, "color": color}
        return {
            "data": inline(rows),
            "mark": {**mark, "fontWeight": weight},
            "encoding": {"x": scale_x, "y": scale_y, "text": {"field": "text", "type": "nominal"}},
        }

    return {
        "width": width,
        "height": height,
        "padding": {"left": 0, "right": 0, "top": 2, "bottom": 2},
        "layer": [
            {
                "data": inline(rects),
                "mark": {"type": "rect"},
                "encoding": {
                    "x": scale_x,
                    "x2": {"field": "x2"},
                    "y": scale_y,
                    "y2": {"field": "y2"},
                    "color": {"field": "fill", "type": "nominal", "scale": None},
                },
            },
            text(names, "left", NAME_SIZE, "bold", INK),
            text(values, "right", NAME_SIZE, "bold", INK),
            text(notes, "left", NOTE_SIZE, "normal", MUTED),
        ],
    }
