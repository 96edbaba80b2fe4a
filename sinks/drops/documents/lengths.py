"""How often the chosen side of a pair is the longer one, by where the pair came from and by feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sinks.drops.documents.facts import part_of
from sinks.pages.bars import Interval
from sinks.pages.length_words import ratio_in_words
from sinks.pages.text import count, interval, label, percent, words

MAX_FEATURES: Final = 12


@dataclass(frozen=True)
class Lengths:
    """What a page says: the share in words, the typical ratio in words, the rows of the chart."""

    share: str
    ratio: str
    limit: str
    rows: Sequence[Interval]


def lengths(manifest: Mapping[str, Any] | None) -> Lengths | None:
    """The length bias of a drop; None when its manifest has none, or no pair of different lengths."""
    block = part_of(manifest or {}, "length_bias")
    whole = part_of(block, "all")
    if not whole or whole.get("longer_share") is None:
        return None
    features = sorted(part_of(block, "features").items(), key=lambda item: (-item[1]["pairs"], item[0]))
    rows = [
        _row("all pairs", whole),
        *(_row(words(name), part) for name, part in part_of(block, "pair_sources").items()),
        *(_row(label(name), part) for name, part in features[:MAX_FEATURES]),
    ]
    limit = block.get("limit")
    return Lengths(
        share=f"{percent(whole['longer_share'])} (95% interval {interval(whole['low'], whole['high'])})",
        ratio=ratio_in_words(whole["median_log_ratio"]),
        limit="" if limit is None else percent(limit, 0),
        rows=[row for row in rows if row is not None],
    )


def _row(name: str, part: Mapping[str, Any]) -> Interval | None:
    share = part["longer_share"]
    if share is None:
        return None
    text = f"{percent(share, 0)} of {count(part['pairs'] - part['equal'])}"
    return Interval(name, share, part["low"], part["high"], text)
