"""The funnel of a drop at the terminal: what every step kept, refused and took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl
from rich.markup import escape

from console.terminal import out, print_table
from curation.refusal_words import in_words
from sinks.lake import Lake

EXAMPLES: Final = 2
"""Requests named per reason."""


def show_funnel(funnel: Sequence[Mapping[str, Any]], seconds: Mapping[str, float] | None = None) -> None:
    """Print the steps of a build, with the time of each when it is known."""
    times = dict(seconds or {})
    steps = {step["step"]: step for step in funnel}
    first, *rest = steps or [""]
    # Reading and redacting texts has a time, but keeps and refuses nothing: it comes behind the first gate.
    order = [name for name in [first, *(name for name in times if name not in steps), *rest] if name]
    rows = [
        [*_kept(name, steps.get(name)), *([round(times.get(name, 0.0), 1)] if times else [])]
        for name in order
    ]
    print_table(["step", "in", "out", "refused because", *(["seconds"] if times else [])], rows)


def _kept(name: str, step: Mapping[str, Any] | None) -> list[Any]:
    if step is None:
        return [name, None, None, None]
    refused = ", ".join(f"{reason} {count:,}" for reason, count in step["refused"].items())
    return [name, step["in"], step["out"], refused or None]


def show_reasons(lake: Lake, drop_id: str) -> None:
    """Print every reason for which a drop refused something, in words, with requests to look at."""
    refused = (
        lake.scan("quarantine")
        .filter(pl.col("drop_id") == drop_id)
        .group_by("stage", "reason")
        .agg(count=pl.len(), first=pl.col("request_ids").list.first().sort().head(EXAMPLES))
        .sort("count", "stage", "reason", descending=[True, False, False])
        .collect()
    )
    for stage, reason, count, first in refused.iter_rows():
        out.print(f"[bold]{stage}[/] {reason}: {count:,} because {escape(in_words(reason))}", highlight=False)
        out.print(f"  [dim]{escape(' '.join(first))}[/]", highlight=False, soft_wrap=True)
    out.print("[dim]tailrace why REQUEST_ID follows one request through the drop[/]")
