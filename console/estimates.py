"""How estimates look in a table, and the options of their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from console.terminal import print_table
from curation.agreement.bootstrap import Bootstrap
from curation.agreement.cohen import Pair
from curation.agreement.estimate import Estimate

Resamples = Annotated[
    int,
    typer.Option("--bootstrap", min=0, metavar="N", help="Resamples of items behind each interval; 0: none."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same intervals.")]
Confidence = Annotated[
    float, typer.Option("--confidence", min=0.5, max=0.999, help="Confidence of the intervals.")
]

MOST_PAIRS = 15
"""Pairs of raters shown in a table; JSON has all."""


def made(bootstrap: Bootstrap) -> dict[str, Any]:
    """How the intervals were made, for machines."""
    return {
        "resamples": bootstrap.resamples,
        "seed": bootstrap.seed,
        "confidence": bootstrap.confidence,
    }


def row(name: str, estimate: Estimate, note: str = "") -> list[Any]:
    """A row of a table of estimates: name, value, low, high, note."""
    return [name, estimate.value, estimate.low, estimate.high, estimate.reason or note]


def brief(estimate: Estimate) -> str:
    """`0.654 (0.623 to 0.683)` in one cell."""
    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def print_pairs(pairs: Sequence[Pair], *, who: str) -> None:
    """Pairs by κ, the worst first; those without one last."""

    def kappa(pair: Pair) -> float:
        return 2.0 if pair.cohen_kappa.value is None else pair.cohen_kappa.value

    shown = sorted(pairs, key=kappa)[:MOST_PAIRS]
    weighted = any(pair.weighted_kappa is not None for pair in shown)
    title = f"Pairs of {who}s"
    if len(shown) < len(pairs):
        title += f", the {len(shown)} of {len(pairs)} with the lowest κ (--json has all)"
    print_table(
        [who, f"other {who}", "shared", "agreement", "Cohen κ", *(["weighted κ"] if weighted else [])],
        [
            [
                pair.a,
                pair.b,
                pair.items,
                pair.agreement,
                brief(pair.cohen_kappa),
                *([brief(pair.weighted_kappa)] if pair.weighted_kappa is not None else []),
            ]
            for pair in shown
        ],
        title=title,
    )
