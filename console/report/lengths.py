"""How often the chosen side of a pair is the longer one, by where the pair came from and by feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from console.length_words import ratio_in_words
from console.report.chart import Figure, Spec, figure, inline
from console.report.drop import part_of
from console.report.palette import AXIS, BLUE, INK, MUTED
from console.report.text import count, interval, label, percent, words

MAX_FEATURES: Final = 12


@dataclass(frozen=True)
class Lengths:
    """What the report says: the share in words, the typical ratio in words, the chart."""

    share: str
    ratio: str
    limit: str
    chart: Figure


def lengths(manifest: Mapping[str, Any] | None) -> Lengths | None:
    """The length bias of a drop; None when its manifest has none, or no pair of different lengths."""
    block = part_of(manifest or {}, "length_bias")
    whole = part_of(block, "all")
    if not whole or whole.get("longer_share") is None:
        return None
    rows = [_row("all pairs", whole)]
    rows += [_row(words(name), part) for name, part in part_of(block, "pair_sources").items()]
    features = sorted(part_of(block, "features").items(), key=lambda item: (-item[1]["pairs"], item[0]))
    rows += [_row(label(name), part) for name, part in features[:MAX_FEATURES]]
    drawn = [{"row": n, **row} for n, row in enumerate(rows) if row["share"] is not None]
    summary = "; ".join(f"{row['name']}: {row['text']}" for row in drawn)
    limit = block.get("limit")
    return Lengths(
        share=f"{percent(whole['longer_share'])} (95% interval {interval(whole['low'], whole['high'])})",
        ratio=ratio_in_words(whole["median_log_ratio"]),
        limit="" if limit is None else percent(limit, 0),
        chart=figure(lambda width: _spec(drawn, width), 420, 190, f"Chosen side longer. {summary}."),
    )


def _row(name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    share = part["longer_share"]
    text = "" if share is None else f"{percent(share, 0)} of {count(part['pairs'] - part['equal'])}"
    return {"name": name, "share": share, "low": part["low"], "high": part["high"], "text": text}


def _spec(rows: list[dict[str, Any]], width: int) -> Spec:
    x = {
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"title": "chosen side is the longer one", "format": ".0%", "tickCount": 5},
    }
    # Rows go by position, because a feature may be called like a source of pairs.
    y = {"field": "row", "type": "ordinal", "sort": None, "axis": None}
    return {
        "width": width,
        "height": {"step": 22},
        "padding": {"left": 10, "right": 8, "top": 4, "bottom": 4},
        "data": inline(rows),
        "layer": [
            {
                "data": inline([{"half": 0.5}]),
                "mark": {"type": "rule", "color": AXIS, "strokeDash": [3, 3]},
                "encoding": {"x": {**x, "field": "half"}},
            },
            {
                "mark": {"type": "rule", "color": BLUE, "strokeWidth": 2},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 55, "color": BLUE},
                "encoding": {"x": {**x, "field": "share"}, "y": y},
            },
            {
                "mark": {"type": "text", "align": "right", "x": -8, "color": INK, "limit": 120},
                "encoding": {"y": y, "text": {"field": "name", "type": "nominal"}},
            },
            {
                "mark": {"type": "text", "align": "left", "x": width + 6, "color": MUTED},
                "encoding": {"y": y, "text": {"field": "text", "type": "nominal"}},
            },
        ],
    }
