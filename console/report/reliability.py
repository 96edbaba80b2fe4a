"""The reliability plot of a fit: what the score says against how often requests failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from console.report.chart import Spec, draw, inline
from curation.fitting.measures import Bin, Measures
from sinks.pages.palette import BLUE, FAIL, MUTED

COLORS: Final = {"fitted": FAIL, "current": MUTED, "priors": BLUE}
WIDTH: Final = 360
NAMESPACE: Final = '<svg xmlns="http://www.w3.org/2000/svg"'
BAR: Final = 30


def svg(measures: Mapping[str, Measures]) -> bytes:
    """The plot as a file of its own: one line per model over the diagonal of perfect calibration."""
    # A plain string: as markup it would escape what is put in.
    return str(draw(_spec(measures))).replace("<svg", NAMESPACE, 1).encode()


def _spec(measures: Mapping[str, Measures]) -> Spec:
    points = [
        {"model": name, "score": b.score, "failed": b.failed, "rows": b.rows}
        for name, found in measures.items()
        for b in found.bins
    ]
    axis = {"format": ".0%", "values": [0, 0.25, 0.5, 0.75, 1]}
    unit = {"type": "quantitative", "scale": {"domain": [0, 1]}}

    def encoding(**more: Any) -> Spec:
        return {
            "x": {**unit, "field": "score", "axis": {**axis, "title": "failure score (mean of the bin)"}},
            "y": {**unit, "field": "failed", "axis": {**axis, "title": "share that failed"}},
            **more,
        }

    scale = {"domain": list(measures), "range": [COLORS[name] for name in measures]}
    color = {"field": "model", "type": "nominal", "scale": scale, "legend": {"title": None}}
    return {
        "width": WIDTH,
        "height": WIDTH,
        "title": {
            "text": "Reliability on held-out users",
            "subtitle": [
                f"{name}: AUC {m.auc:.3f}, calibration error {m.ece:.3f}" for name, m in measures.items()
            ],
        },
        "layer": [
            {
                "data": inline([{"score": 0, "failed": 0}, {"score": 1, "failed": 1}]),
                "mark": {"type": "line", "strokeDash": [3, 3], "color": MUTED, "strokeWidth": 1},
                "encoding": encoding(),
            },
            {"data": inline(points), "mark": {"type": "line"}, "encoding": encoding(color=color)},
            {
                "data": inline(points),
                "mark": {"type": "point", "filled": True, "opacity": 1},
                "encoding": encoding(
                    color=color, size={"field": "rows", "type": "quantitative", "legend": None}
                ),
            },
        ],
    }


def lines(bins: Sequence[Bin]) -> list[list[Any]]:
    """Rows of the plot for a terminal: requests, score, share that failed, and a bar of it with the score
    as a mark."""
    return [[b.rows, b.score, b.failed, _bar(b)] for b in bins]


def _bar(found: Bin) -> str:
    filled = round(found.failed * BAR)
    cells = ["█"] * filled + ["·"] * (BAR - filled)
    cells[min(round(found.score * BAR), BAR - 1)] = "│"
    return "".join(cells)
