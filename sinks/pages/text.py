"""Numbers and codes as people read them."""

from __future__ import annotations

import unicodedata
from typing import Final

MAX_LABEL: Final = 48
READABLE: Final[dict[str, str]] = {
    "actor": "not from a user",
    "held_out": "held-out split",
    "license": "licence not allowed",
    "region": "region not allowed",
    "malformed_json": "malformed JSON",
    "invalid_utf8": "invalid UTF-8",
    "no_target": "outcome without a target",
    "time_range": "time out of range",
    "schema": "wrong or missing field",
}
"""Codes that do not read well once their underscores are gone."""


def count(value: int | float) -> str:
    """A whole number with thousands separators."""
    return f"{value:,.0f}"


def percent(share: float, digits: int = 1) -> str:
    """A share (0 to 1) in percent, with a mark instead of a misleading zero."""
    smallest = 10.0 ** -(digits + 2)
    if 0.0 < share < smallest / 2:
        return f"<{smallest:.{digits}%}"
    return f"{share:.{digits}%}"


def signed(value: float, digits: int) -> str:
    """A number with its sign, the minus as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """Two shares (0 to 1) as a range in percent."""
    return f"{low * 100:.1f}–{high:.1%}"


def plural(value: int, one: str, many: str | None = None) -> str:
    """`3 pairs`, `1 pair`."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def words(code: str) -> str:
    """A code such as `no_consent` in words."""
    return label(READABLE.get(code, code.replace("_", " ")))


def label(value: object, limit: int = MAX_LABEL) -> str:
    """A name cut to `limit` characters on one line.

    Control and direction characters are dropped: they could reorder or hide the text around them.
    """
    visible = "".join(
        " " if c in "\t\n\r" else c for c in str(value) if c in "\t\n\r" or unicodedata.category(c)[0] != "C"
    )
    flat = " ".join(visible.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
