"""Loop health: how much of the traffic left evidence, what outcomes say, what was not usable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from console.report.chart import Figure, Spec, figure, inline
from console.report.evidence import CLASSES, NOTHING, observed
from sinks.pages.palette import BLUE, FAIL, GREEN, INK, MUTED, SET_ASIDE, UNOBSERVED
from sinks.pages.text import count, label, percent, words

MAX_FEATURES: Final = 10
PARTS: Final[tuple[tuple[str, str], ...]] = (
    ("spoke for it", GREEN),
    ("mixed", SET_ASIDE),
    ("spoke against it", FAIL),
    ("not observed", UNOBSERVED),
)
"""Parts of an outcome bar with their colours; also the key beside the chart."""

ACCOUNTED: Final = ("joined", "pending", "duplicate", "late", "orphan", "dead_letter")


def coverage(rows: pl.DataFrame) -> Figure | None:
    """Share of requests with each class of evidence (classes overlap); None without rows."""
    if rows.is_empty():
        return None
    shares = rows.select(expr.mean().alias(name) for name, expr in observed().items()).row(0, named=True)
    values = [
        {
            "name": name,
            "value": float(shares[name]),
            "text": percent(float(shares[name])),
            "fill": UNOBSERVED if name == NOTHING else BLUE,
        }
        for name in CLASSES
    ]
    summary = "; ".join(f"{v['name']}: {v['text']}" for v in values)
    return figure(
        lambda width: _bars(values, width, "share of requests, %", ".0%", 1.0),
        340,
        190,
        f"Requests with evidence, by class; classes overlap. {summary}.",
    )


def dead_letters(reasons: Mapping[str, int]) -> Figure | None:
    """Dead letters by reason; None without any."""
    ordered = sorted(((k, v) for k, v in reasons.items() if v > 0), key=lambda item: (-item[1], item[0]))[:12]
    if not ordered:
        return None
    values = [
        {"name": words(reason), "value": float(n), "text": count(n), "fill": SET_ASIDE}
        for reason, n in ordered
    ]
    summary = "; ".join(f"{v['name']}: {v['text']}" for v in values)
    return figure(
        lambda width: _bars(values, width, "messages", ",.0f", None), 340, 190, f"Dead letters. {summary}."
    )


def _bars(values: list[dict[str, Any]], width: int, title: str, fmt: str, top: float | None) -> Spec:
    highest = top if top is not None else max(float(v["value"]) for v in values)
    x = {
        "field": "value",
        "type": "quantitative",
        # Room for the label after the longest bar.
        "scale": {"domain": [0, highest * (1 + 52 / width)], "nice": False},
        "axis": {
            "title": title,
            "tickCount": 4,
            "format": fmt,
            "titlePadding": 8,
            **({"values": [0, 0.25, 0.5, 0.75, 1]} if top == 1.0 else {"tickMinStep": 1}),
        },
    }
    y = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "axis": {"title": None, "domain": False, "ticks": False, "labelColor": INK},
    }
    return {
        "width": width,
        "height": {"step": 26},
        "data": inline(values),
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.6}},
                "encoding": {"x": x, "y": y, "color": {"field": "fill", "type": "nominal", "scale": None}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5, "color": MUTED},
                "encoding": {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}},
            },
        ],
    }


def outcomes(rows: pl.DataFrame) -> Figure | None:
    """What downstream outcomes say per feature, the unobserved drawn as its own part; None without rows."""
    if rows.is_empty():
        return None
    known = pl.col("outcome_success")
    part = (
        pl.when(known.is_null())
        .then(pl.lit(PARTS[3][0]))
        .when(known >= 1.0)
        .then(pl.lit(PARTS[0][0]))
        .when(known <= 0.0)
        .then(pl.lit(PARTS[2][0]))
        .otherwise(pl.lit(PARTS[1][0]))
    )
    counted = rows.group_by("feature", part.alias("part")).len()
    totals = rows.group_by("feature").len().sort(["len", "feature"], descending=[True, False])
    values: list[dict[str, Any]] = []
    order: list[str] = []
    for i, (feature, n) in enumerate(totals.head(MAX_FEATURES).rows()):
        shares = dict(counted.filter(pl.col("feature") == feature).select("part", "len").rows())
        # Two features may look alike once cut; the key keeps their rows apart.
        order.append(f"{i}\t{label(feature, 24)}")
        start = 0.0
        for name, _ in PARTS:
            share = shares.get(name, 0) / n
            values.append({"feature": order[-1], "part": name, "from": start, "to": start + share})
            start += share
    unobserved = float(rows["outcome_success"].null_count()) / rows.height
    return figure(
        lambda width: _outcomes_spec(values, order, width),
        340,
        190,
        f"Downstream outcomes by feature; {percent(unobserved)} of requests have none observed.",
    )


def _outcomes_spec(values: list[dict[str, Any]], order: list[str], width: int) -> Spec:
    axis = {"title": "share of requests, %", "format": ".0%", "tickCount": 4, "titlePadding": 8}
    return {
        "width": width,
        "height": {"step": 26},
        "data": inline([v for v in values if v["to"] > v["from"]]),
        "mark": {"type": "bar", "height": {"band": 0.6}},
        "encoding": {
            "x": {
                "field": "from",
                "type": "quantitative",
                "scale": {"domain": [0, 1]},
                "axis": axis,
            },
            "x2": {"field": "to"},
            "y": {
                "field": "feature",
                "type": "nominal",
                "scale": {"domain": order},
                "axis": {
                    "title": None,
                    "domain": False,
                    "ticks": False,
                    "labelColor": INK,
                    "labelExpr": "split(datum.label, '\\t')[1]",
                },
            },
            "color": {
                "field": "part",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": [n for n, _ in PARTS], "range": [c for _, c in PARTS]},
            },
        },
    }


def accounting(counts: Mapping[str, int]) -> str:
    """The accounting identity in figures; empty when nothing was counted."""
    if not counts:
        return ""
    parts = " + ".join(f"{count(counts.get(name, 0))} {words(name)}" for name in ACCOUNTED)
    return f"{count(counts.get('consumed', 0))} consumed = {parts}"


def accounting_gap(accounting: Mapping[str, int]) -> int:
    """Consumed events that are in no class of the accounting identity; 0 when it holds."""
    return accounting.get("consumed", 0) - sum(accounting.get(name, 0) for name in ACCOUNTED)
