"""Failure rate over time: one small chart per feature, one line per behaviour version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from markupsafe import Markup

from console.report.chart import Spec, draw, inline
from console.report.stats import Rate, VersionRate, overall
from console.report.timeline import Step, cells, choose
from curation.agreement.wilson import wilson
from sinks.pages.palette import FAINT, GREY, MUTED, SERIES
from sinks.pages.text import count, interval, label, percent

MAX_FEATURES: Final = 12
MAX_VERSIONS: Final = len(SERIES)
OTHERS: Final = "all other versions"
WIDTH: Final = 258
HEIGHT: Final = 140
READABLE_ROWS: Final = 12
"""Requests a point needs to stretch the vertical axis; thinner points may be cut off at its top."""


@dataclass(frozen=True)
class Line:
    """One entry of the key: a version, its colour, its rate over the whole span."""

    version: str
    color: str
    rate: str
    interval: str
    rows: str
    highlighted: bool


@dataclass(frozen=True)
class FeaturePanel:
    """One small chart with its key."""

    feature: str
    rate: str
    rows: str
    svg: Markup
    lines: list[Line]
    highlighted: bool
    label: str


@dataclass(frozen=True)
class RatesView:
    """The section: panels, the bin width in words, features not drawn."""

    panels: list[FeaturePanel]
    step: str
    hidden: int


def view(rows: pl.DataFrame, worst: VersionRate | None) -> RatesView:
    """Panels for the prepared rows, the feature that stands out first, then by traffic."""
    if rows.is_empty():
        return RatesView([], "", 0)
    ranked = rows.group_by("feature").len().sort(["len", "feature"], descending=[True, False])
    features = [str(f) for f in ranked["feature"]]
    flagged = worst.feature if worst is not None and worst.stands_out else None
    if flagged is not None:
        features = [flagged, *(f for f in features if f != flagged)]
    pooled = _pool_small_versions(rows)
    step = choose(pooled)
    table = cells(pooled, step)
    readable = table.filter(pl.col("n") >= READABLE_ROWS)
    top = max([f / n for f, n in readable.select("f", "n").rows()], default=1.0)
    frame = _Frame(step, min(1.0, max(0.1, top * 1.15)), overall(rows).share, _domain(table, step))
    panels = [
        _panel(f, pooled.filter(pl.col("feature") == f), table, frame, worst) for f in features[:MAX_FEATURES]
    ]
    return RatesView(panels, step.name, max(0, len(features) - MAX_FEATURES))


@dataclass(frozen=True)
class _Frame:
    """What all panels share: bins, top of the axis, product average, span in epoch ms."""

    step: Step
    top: float
    average: float
    domain: tuple[int, int]


def _pool_small_versions(rows: pl.DataFrame) -> pl.DataFrame:
    """Beyond `MAX_VERSIONS` of a feature, the versions with least traffic are drawn as one line."""
    sizes = rows.group_by("feature", "version").len()
    rank = pl.struct(-pl.col("len").cast(pl.Int64), "version").rank("ordinal").over("feature")
    sizes = sizes.with_columns(many=pl.len().over("feature") > MAX_VERSIONS, rank=rank)
    keep = sizes.select("feature", "version", small=pl.col("many") & (pl.col("rank") >= MAX_VERSIONS))
    joined = rows.join(keep, on=["feature", "version"], how="left")
    shown = pl.when("small").then(pl.lit(OTHERS)).otherwise("version")
    return joined.with_columns(version=shown).drop("small")


def _ms(moment: Any) -> int:
    return int(moment.timestamp() * 1000)


def _domain(table: pl.DataFrame, step: Step) -> tuple[int, int]:
    width = int(step.width.total_seconds() * 1000)
    return _ms(table["bin"].min()), _ms(table["bin"].max()) + width


def _panel(
    feature: str, rows: pl.DataFrame, table: pl.DataFrame, frame: _Frame, worst: VersionRate | None
) -> FeaturePanel:
    own = table.filter(pl.col("feature") == feature)
    first_seen = own.group_by("version").agg(pl.col("bin").min()).sort("bin", "version")
    versions = [v for v in first_seen["version"] if v != OTHERS]
    colors = dict(zip(versions, SERIES, strict=False)) | {OTHERS: GREY}
    versions += [OTHERS] if OTHERS in first_seen["version"] else []
    worst_here = worst is not None and worst.stands_out and worst.feature == feature
    lines = []
    for version in versions:
        rate = overall(rows.filter(pl.col("version") == version))
        lines.append(
            Line(
                version=label(version, 72),
                color=colors[version],
                rate=percent(rate.share),
                interval=interval(rate.low, rate.high),
                rows=count(rate.rows),
                highlighted=worst_here and worst is not None and worst.version == version,
            )
        )
    total = overall(rows)
    text = "; ".join(f"{line.version}: {line.rate} of {line.rows}" for line in lines)
    return FeaturePanel(
        feature=label(feature),
        rate=percent(total.share),
        rows=count(total.rows),
        svg=draw(_spec(own, {v: colors[v] for v in versions}, frame)),
        lines=lines,
        highlighted=worst_here,
        label=f"Failure rate of {label(feature)} over time. {text}.",
    )


def _points(own: pl.DataFrame, keys: dict[str, str], frame: _Frame) -> list[dict[str, Any]]:
    """Points at bin centres. `run` breaks the line where bins are missing; `alone` has no neighbour."""
    width = int(frame.step.width.total_seconds() * 1000)
    points: list[dict[str, Any]] = []
    for version, key in keys.items():
        line: list[dict[str, Any]] = []
        run, previous = 0, None
        for bin_start, f, n in own.filter(pl.col("version") == version).select("bin", "f", "n").rows():
            start = _ms(bin_start)
            if previous is not None and start - previous > width * 1.5:
                run += 1
            previous = start
            low, high = wilson(f, n)
            p = Rate(f, n).share
            clipped = {"p": min(p, frame.top), "lo": min(low, frame.top), "hi": min(high, frame.top)}
            line.append({"t": start + width // 2, "v": key, "run": f"{key}.{run}", **clipped})
        runs = [point["run"] for point in line]
        points += [{**point, "alone": runs.count(point["run"]) == 1} for point in line]
    return points


def _spec(own: pl.DataFrame, colors: dict[str, str], frame: _Frame) -> Spec:
    # Versions go by index: their names are user input and need not be in the chart at all.
    keys = {version: f"s{i}" for i, version in enumerate(colors)}
    x = {
        "field": "t",
        "type": "temporal",
        "scale": {"type": "utc", "domain": list(frame.domain)},
        "axis": {
            "title": None,
            "format": frame.step.axis_format,
            "tickCount": 4,
            "grid": False,
            "labelFlush": True,
            "labelOverlap": True,
        },
    }
    y_axis = {"title": None, "format": ".0%", "tickCount": 4, "domain": False, "ticks": False}
    y_scale = {"domain": [0, frame.top], "nice": False}
    y = {"field": "p", "type": "quantitative", "scale": y_scale, "axis": y_axis}
    color = {
        "field": "v",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": list(keys.values()), "range": list(colors.values())},
    }
    band = {"y": {**y, "field": "lo"}, "y2": {"field": "hi"}}
    base = {"x": x, "color": color}
    alone = [{"filter": "datum.alone"}]
    detail = {"detail": {"field": "run"}}
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "title": {
            "text": f"requests that fail, % per {frame.step.name} (UTC)",
            "fontSize": 10,
            "fontWeight": "normal",
            "color": MUTED,
            "offset": 8,
            "frame": "bounds",
        },
        "data": inline(_points(own, keys, frame)),
        "layer": [
            {
                "data": inline([{"average": min(frame.average, frame.top)}]),
                "mark": {"type": "rule", "strokeDash": [2, 3], "color": FAINT},
                "encoding": {"y": {**y, "field": "average"}},
            },
            {"mark": {"type": "area", "opacity": 0.16}, "encoding": {**base, **band, **detail}},
            {
                "transform": alone,
                "mark": {"type": "rule", "opacity": 0.35, "strokeWidth": 3},
                "encoding": {**base, **band},
            },
            {"mark": {"type": "line", "strokeWidth": 1.8}, "encoding": {**base, "y": y, **detail}},
            {
                "mark": {"type": "point", "filled": True, "size": 16, "opacity": 1},
                "encoding": {**base, "y": y},
            },
        ],
    }
