"""An explained score in the terminal, as a waterfall from the prior to the score."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from rich.markup import escape
from rich.table import Table

from console.terminal import out, print_table
from curation.explain import Behind, Explanation, Step
from sinks.pages.text import label

BAR: Final = 24
MAX_EVENTS: Final = 12
MAX_TEXT: Final = 2_000


def show_explanation(found: Explanation, *, show_text: bool = False) -> None:
    """Print the way from the prior to the score, what was not observed, and every revision.

    What users wrote is only printed with `show_text`, cut at 2,000 characters.
    """
    out.print(
        f"[bold]{escape(label(found.request_id, 256))}[/] ({escape(label(found.feature))}, "
        f"{_moment(found.occurred_at)}): failure score [bold]{found.failure_score:.3f}[/], "
        f"{found.failure_hint}; {_disagreement(found.disagreement)}; {escape(found.score_version)}",
        highlight=False,
        soft_wrap=True,
    )
    out.print(_waterfall(found))
    for step in found.steps:
        for event in step.events:
            if show_text and event.text is not None:
                out.print(f"[bold]{event.kind} {escape(label(event.event_id, 256))}[/]", highlight=False)
                out.print(label(event.text, MAX_TEXT), markup=False, highlight=False, soft_wrap=True)
    if found.unobserved:
        out.print(
            f"Not observed, so without any weight: {', '.join(found.unobserved)}",
            highlight=False,
            soft_wrap=True,
        )
    print_table(
        ["revision", "settled at", "evidence until", "events", "score", "version"],
        [
            [
                r.revision,
                _moment(r.settled_at),
                _moment(r.evidence_until),
                r.evidence,
                r.failure_score,
                r.score_version,
            ]
            for r in found.revisions
        ],
        title="Revisions",
    )


def _waterfall(found: Explanation) -> Table:
    table = Table(header_style="bold")
    for name in ("evidence", "log-odds", "score"):
        table.add_column(name, justify="left" if name == "evidence" else "right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("events", overflow="fold")
    low, high = _range(found)
    start = 1 / (1 + math.exp(-found.prior))
    table.add_row(
        "prior", f"{found.prior:+.2f}", f"{start:.3f}", _bar(0.0, found.prior, low, high), "", style="dim"
    )
    logit = found.prior
    for step in found.steps:
        after = logit + step.contribution
        table.add_row(
            escape(step.signal.replace("_", " ")),
            f"{step.contribution:+.2f}",
            f"{step.probability:.3f}",
            _bar(logit, after, low, high),
            escape(_events(step)),
        )
        logit = after
    return table


def _range(found: Explanation) -> tuple[float, float]:
    levels = [0.0, found.prior]
    for step in found.steps:
        levels.append(levels[-1] + step.contribution)
    return min(levels), max(levels)


def _bar(start: float, end: float, low: float, high: float) -> str:
    """A stretch of the log-odds line, red towards failure, green away from it."""
    scale = (BAR - 1) / ((high - low) or 1.0)
    left, right = sorted((round((start - low) * scale), round((end - low) * scale)))
    color = "red" if end > start else "green"
    return f"{' ' * left}[{color}]{'█' * max(right - left, 1)}[/]"


def _events(step: Step) -> str:
    shown = [_event(event) for event in step.events[:MAX_EVENTS]]
    if len(step.events) > MAX_EVENTS:
        shown.append(f"and {len(step.events) - MAX_EVENTS} more")
    return "\n".join(shown)


def _event(event: Behind) -> str:
    parts = [_after(event.after_s), event.kind, event.value, label(event.event_id, 64)]
    return " ".join(label(part, 64) for part in parts if part)


def _after(seconds: float) -> str:
    """Time since the request: +12 s, +4 min, +3.5 h, +2.1 d."""
    sign, size = ("−" if seconds < 0 else "+"), abs(seconds)
    if size < 120:
        return f"{sign}{size:.0f} s"
    if size < 7_200:
        return f"{sign}{size / 60:.0f} min"
    return f"{sign}{size / 3_600:.1f} h" if size < 172_800 else f"{sign}{size / 86_400:.1f} d"


def _disagreement(value: float | None) -> str:
    if value is None:
        return "disagreement unknown"
    return f"evidence disagrees ({value:.2f})" if value > 0 else "evidence agrees"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
