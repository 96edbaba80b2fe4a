"""Colours of the report in light and dark.

The hues are those of Okabe and Ito (2008), which stay apart under the common colour-vision
deficiencies; the dark variants are lightened for contrast on a dark page. Charts are drawn with the
light colours, and the dark style sheet swaps each by an attribute selector, so one SVG serves both.
"""

from __future__ import annotations

from typing import Final

INK: Final = "#1c2430"
MUTED: Final = "#5b6573"
FAINT: Final = "#8d96a3"
GRID: Final = "#e6e9ed"
AXIS: Final = "#c3c9d1"
UNOBSERVED: Final = "#d5dae0"
SET_ASIDE: Final = "#e9b872"
BLUE: Final = "#0072b2"
PALE_BLUE: Final = "#9cc8e3"
FAIL: Final = "#d55e00"
GREEN: Final = "#009e73"
PURPLE: Final = "#a8558a"
AMBER: Final = "#b98300"
SKY: Final = "#3a9ad9"
GREY: Final = "#7b8490"

DARK: Final[dict[str, str]] = {
    INK: "#e8ebef",
    MUTED: "#a9b2bd",
    FAINT: "#808a96",
    GRID: "#2a323c",
    AXIS: "#4a545f",
    UNOBSERVED: "#3a434d",
    SET_ASIDE: "#a97a35",
    BLUE: "#4aa8e0",
    PALE_BLUE: "#2f5f7f",
    FAIL: "#ff8a3d",
    GREEN: "#2cc295",
    PURPLE: "#d98cbd",
    AMBER: "#e6b33d",
    SKY: "#86c9f5",
    GREY: "#98a2ae",
}
"""The colour each drawn colour becomes on a dark page."""

SERIES: Final[tuple[str, ...]] = (BLUE, FAIL, GREEN, PURPLE, AMBER, SKY)
"""Colours of lines, in the order in which versions first appeared."""
