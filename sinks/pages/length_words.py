"""The length bias of a drop in words, for the terminal and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

SAME: Final = 0.0005
"""Relative differences below are called none."""


def ratio_in_words(log_ratio: float) -> str:
    """A log ratio of lengths (chosen ÷ rejected) as what the chosen side is: `12.0% longer`."""
    change = math.expm1(log_ratio)
    if abs(change) < SAME:
        return "as long"
    return f"{abs(change):.1%} {'longer' if change > 0 else 'shorter'}"


def in_a_line(manifest: Mapping[str, Any]) -> str:
    """The length bias of a drop; empty for a drop that does not know it, or without pairs to tell it by."""
    whole = manifest.get("length_bias", {}).get("all", {})
    if whole.get("longer_share") is None:
        return ""
    return (
        f"the chosen side is the longer one in {whole['longer_share']:.1%} of the "
        f"{whole['chosen_longer'] + whole['chosen_shorter']:,} pairs that differ in length "
        f"(95% interval {whole['low']:.1%} to {whole['high']:.1%}); "
        f"at the median it is {ratio_in_words(whole['median_log_ratio'])}"
    )
