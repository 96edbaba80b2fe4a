"""How the failure score is distributed, and which evidence moves it."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from console.report.chart import Figure, Spec, figure, inline
from console.report.evidence import CLASSES, DESCRIPTIONS, strongest
from sinks.pages.palette import BLUE, FAIL, INK, MUTED
from sinks.pages.text import count, percent, signed, words

BINS: Final = 25
MAX_SIGNALS: Final = 14


def histogram(rows: pl.DataFrame, threshold: float) -> Figure | None:
    """Distribution of the failure score, one panel per strongest evidence; None without rows."""
    if rows.is_empty():
        return None
    scored = rows.select(
        "failed",
        strongest().alias("cls"),
        (pl.col("failure_score") * BINS).floor().clip(0, BINS - 1).cast(pl.Int32).alias("bin"),
    )
    panels = []
    for name in CLASSES:
        own = scored.filter(pl.col("cls") == name)
        if own.is_empty():
            continue
        counted = own.group_by("bin", "failed").len().sort("bin", "failed").rows()
        values = [
            {"a": b / BINS, "b": (b + 1) / BINS, "share": n / own.height, "failed": "yes" if failed else "no"}
            for b, failed, n in counted
        ]
        text = f"{count(own.height)} requests ({percent(own.height / rows.height)})"
        panels.append((name, text, values))
    summary = "; ".join(f"{name}: {text}" for name, text, _ in panels)
    return figure(
        lambda width: _histogram_spec(panels, threshold, width),
        440,
        270,
        f"Distribution of the failure score by strongest evidence. {summary}.",
    )


def _histogram_spec(
    panels: list[tuple[str, str, list[dict[str, Any]]]], threshold: float, width: int
) -> Spec:
    charts = []
    for i, (name, text, values) in enumerate(panels):
        last = i == len(panels) - 1
        axis = {
            "title": "failure score (0 = surely fine, 1 = surely failed)" if last else None,
            "values": [0, 0.25, 0.5, 0.75, 1],
            "labels": last,
            "ticks": last,
            "grid": False,
            "format": ".2~f",
            "titlePadding": 8,
        }
        x = {"field": "a", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis}
        y = {
            "field": "share",
            "type": "quantitative",
            "stack": "zero",
            "axis": {
                "title": None,
                "format": ".0%",
                "tickCount": 2,
                "domain": False,
                "ticks": False,
                # As wide as "100%", so that the panels stand exactly below each other.
                "minExtent": 38,
            },
        }
        colors = {"domain": ["no", "yes"], "range": [BLUE, FAIL]}
        charts.append(
            {
                "width": width,
                "height": 52,
                "title": {
                    "text": name,
                    "subtitle": f"{text}: {DESCRIPTIONS[name]}" if width > 400 else text,
                    "offset": 4,
                    "frame": "group",
                },
                "layer": [
                    {
                        "data": inline(values),
                        "mark": {"type": "bar", "binSpacing": 1},
                        "encoding": {
                            "x": {**x, "bin": "binned"},
                            "x2": {"field": "b"},
                            "y": y,
                            "color": {"field": "failed", "type": "nominal", "scale": colors, "legend": None},
                        },
                    },
                    {
                        "data": inline([{"a": threshold}]),
                        "mark": {"type": "rule", "strokeDash": [3, 3], "color": MUTED},
                        "encoding": {"x": x},
                    },
                ],
            }
        )
    return {"vconcat": charts, "spacing": 14}


def mean_contributions(rows: pl.DataFrame) -> list[tuple[str, float, float]]:
    """(signal, mean log-odds over all failures, share of failures that have it), strongest first."""
    failures = rows.filter("failed")
    if failures.is_empty():
        return []
    parts = failures.select("contributions").explode("contributions").drop_nulls().unnest("contributions")
    table = parts.group_by("signal").agg(
        (pl.col("contribution").sum() / failures.height).alias("mean"),
        (pl.len() / failures.height).alias("share"),
    )
    ordered = table.sort([pl.col("mean").abs(), pl.col("signal")], descending=[True, False])
    return [(str(s), float(m), float(p)) for s, m, p in ordered.head(MAX_SIGNALS).rows()]


def contributions(rows: pl.DataFrame) -> Figure | None:
    """Mean contribution of each signal among failures; None without failures."""
    table = mean_contributions(rows)
    if not table:
        return None
    values = [
        {
            "signal": words(signal),
            "mean": mean,
            "text": f"{signed(mean, 2)} in {percent(share, 0)}",
            "kind": "for" if mean > 0 else "against",
        }
        for signal, mean, share in table
    ]
    summary = "; ".join(f"{v['signal']}: {v['text']} of failures" for v in values)
    return figure(
        lambda width: _contributions_spec(values, width),
        340,
        210,
        f"Mean contribution to the log-odds of failure, among failures. {summary}.",
    )


def _contributions_spec(values: list[dict[str, Any]], width: int) -> Spec:
    means = [float(v["mean"]) for v in values]
    low, high = min(0.0, *means), max(0.0, *means)
    room = (high - low) * 0.42 or 1.0
    x = {
        "field": "mean",
        "type": "quantitative",
        "scale": {"domain": [low * 1.05, high + room], "nice": False},
        "axis": {
            "title": "mean contribution per failure, log-odds"
            if width > 300
            else "mean log-odds per failure",
            "tickCount": 4,
            "format": ".1~f",
            "titlePadding": 8,
        },
    }
    y = {
        "field": "signal",
        "type": "nominal",
        "sort": None,
        "axis": {"title": None, "domain": False, "ticks": False, "labelColor": INK, "labelLimit": 110},
    }
    colors = {"domain": ["for", "against"], "range": [FAIL, BLUE]}
    return {
        "width": width,
        "height": {"step": 24},
        "data": inline(values),
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.62}},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": {"field": "kind", "type": "nominal", "scale": colors, "legend": None},
                },
            },
            {
                "transform": [{"calculate": "max(datum.mean, 0)", "as": "end"}],
                "mark": {"type": "text", "align": "left", "dx": 5, "color": MUTED},
                "encoding": {
                    "x": {**x, "field": "end"},
                    "y": y,
                    "text": {"field": "text", "type": "nominal"},
                },
            },
        ],
    }
