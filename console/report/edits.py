"""What users' edits were, and where the evidence contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from console.report.chart import Figure, Spec, figure, inline
from sinks.pages.palette import BLUE, FAIL, INK, MUTED, SET_ASIDE, UNOBSERVED
from sinks.pages.text import count, label, percent, plural

TORN: Final = 0.5
"""Disagreement from which a request counts as torn: each side alone is worth three to one."""

MEANINGS: Final[dict[str, str]] = {
    "corrective": "corrective: makes a pair",
    "cosmetic": "cosmetic: says nothing",
    "opposite": "opposite: turned round",
    "rewrite": "rewrite: another text",
}
COLORS: Final = {"corrective": BLUE, "cosmetic": UNOBSERVED, "opposite": FAIL, "rewrite": SET_ASIDE}


def classes(rows: pl.DataFrame) -> Figure | None:
    """Edits with text by class; None without any."""
    edited = rows.filter(pl.col("edit_class").is_not_null())
    if edited.is_empty():
        return None
    counted = dict(edited["edit_class"].value_counts().iter_rows())
    values = [
        {"kind": MEANINGS[kind], "n": n, "text": f"{count(n)} ({percent(n / edited.height, 0)})"}
        for kind in MEANINGS
        if (n := counted.get(kind, 0))
    ]
    summary = "; ".join(f"{v['kind']}: {v['text']}" for v in values)
    return figure(lambda width: _spec(values, width), 340, 210, f"Edits by class. {summary}.")


def _spec(values: list[dict[str, Any]], width: int) -> Spec:
    most = max(int(v["n"]) for v in values)
    x = {
        "field": "n",
        "type": "quantitative",
        "scale": {"domain": [0, most * 1.5], "nice": False},
        "axis": None,
    }
    y = {
        "field": "kind",
        "type": "nominal",
        "sort": None,
        "axis": {"title": None, "domain": False, "ticks": False, "labelColor": INK, "labelLimit": 170},
    }
    scale = {"domain": list(MEANINGS.values()), "range": [COLORS[kind] for kind in MEANINGS]}
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
                    "color": {"field": "kind", "type": "nominal", "scale": scale, "legend": None},
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5, "color": MUTED},
                "encoding": {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}},
            },
        ],
    }


@dataclass(frozen=True)
class Torn:
    """Requests whose evidence contradicts itself: how many in words, and the features with most of them."""

    total: str
    features: list[tuple[str, str]]


def torn(rows: pl.DataFrame, most: int = 3) -> Torn | None:
    """Requests with a disagreement from `TORN`; None when there is none."""
    found = rows.filter(pl.col("disagreement") >= TORN)
    if found.is_empty():
        return None
    by_feature = rows.group_by("feature").agg(
        (pl.col("disagreement") >= TORN).fill_null(value=False).sum().alias("torn"), pl.len()
    )
    ranked = by_feature.filter(pl.col("torn") > 0).sort(
        pl.col("torn") / pl.col("len"), "feature", descending=[True, False]
    )
    return Torn(
        f"{plural(found.height, 'request')} ({percent(found.height / rows.height)})",
        [(label(feature), percent(n / size)) for feature, n, size in ranked.head(most).iter_rows()],
    )
