"""Vega-Lite specs to inline SVG: the shared look, and the guard in front of the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import vl_convert
from markupsafe import Markup

from sinks.pages.palette import AXIS, GRID, INK, MUTED

Spec = dict[str, Any]

# Metric twin of Arial and Helvetica, so labels are measured about as wide as system fonts draw
# them; the style sheet then puts the reader's own system font in its place.
MEASURED_FONT: Final = "Liberation Sans"

ALLOWED_TAGS: Final = frozenset({"svg", "g", "path", "rect", "line", "text", "tspan", "title"})
_TAG = re.compile(r"<\s*/?\s*([^\s/>]+)([^>]*)")
_ACTIVE = re.compile(r"\s(?:on\w+|href|xlink:href|style)\s*=", re.IGNORECASE)
_NAMESPACES = re.compile(r'\s(?:xmlns(?::xlink)?|version|class)="[^"]*"')
_EMPTY_PATH = re.compile(r'<path class="(?:back|fore)ground" aria-hidden="true" d="(?:M0,0h0v0h0Z)?"[^>]*/>')

CONFIG: Final[Spec] = {
    "aria": False,
    "background": None,
    "font": MEASURED_FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "labelFontSize": 11,
        "titleColor": MUTED,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "gridColor": GRID,
        "domainColor": AXIS,
        "tickColor": AXIS,
        "labelLimit": 170,
        "labelPadding": 5,
    },
    "title": {
        "color": INK,
        "fontSize": 12,
        "fontWeight": "bold",
        "anchor": "start",
        "subtitleColor": MUTED,
        "subtitleFontSize": 11,
    },
    "text": {"color": INK, "fontSize": 11},
}


@dataclass(frozen=True)
class Figure:
    """A chart drawn for wide and for narrow pages, and what it shows in one sentence."""

    wide: Markup
    narrow: Markup
    label: str


def draw(spec: Spec) -> Markup:
    """Render a Vega-Lite spec to an `<svg>` element that is safe to inline."""
    full = {"padding": {"left": 6, "right": 10, "top": 4, "bottom": 4}, **spec}
    return inert(vl_convert.vegalite_to_svg(full, config=CONFIG, allowed_base_urls=[]))


def inert(svg: str) -> Markup:
    """Let an SVG into the page, less what a page does not need.

    Vega escapes text; on top of it, any element or attribute that could run or load something is refused.
    """
    for tag, attributes in _TAG.findall(svg):
        if tag not in ALLOWED_TAGS or _ACTIVE.search(attributes):
            raise ValueError(f"the chart renderer produced <{tag}>, which a report may not contain")
    return Markup(_EMPTY_PATH.sub("", _NAMESPACES.sub("", svg)))  # noqa: S704 (checked above)


def figure(build: Callable[[int], Spec], wide: int, narrow: int, label: str) -> Figure:
    """Draw `build(width)` at two widths in pixels; the style sheet shows the one that fits."""
    return Figure(draw(build(wide)), draw(build(narrow)), label)


def inline(values: list[dict[str, Any]]) -> Spec:
    """Rows as inline data of a spec."""
    return {"values": values}
