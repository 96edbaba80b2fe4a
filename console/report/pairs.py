"""Sample pairs: the conversation, both answers, and the evidence as a waterfall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from console.report.chart import Spec, draw, inline
from console.report.data import SamplePair
from console.report.diff import Diff, compare, cut
from sinks.pages.palette import AXIS, BLUE, FAIL, INK, MUTED
from sinks.pages.text import label, signed, words

MAX_PAIRS: Final = 12
MAX_TURNS: Final = 3
"""Last turns shown at once; earlier ones fold away."""

MAX_BARS: Final = 8
SOURCES: Final[dict[str, str]] = {
    "user_edit": "the user edited the answer",
    "regenerate_accept": "the user asked again and accepted",
    "judge_rewrite": "the judge wrote a better answer",
    "one_sided": "evidence on one side",
}


@dataclass(frozen=True)
class PairCard:
    """One pair, ready for the template."""

    feature: str
    source: str
    verdict: str | None
    score: str
    earlier: list[tuple[str, str]]
    turns: list[tuple[str, str]]
    diff: Diff
    waterfall: Markup
    waterfall_label: str
    request_ids: list[str]


def cards(pairs: Sequence[SamplePair]) -> list[PairCard]:
    """The first `MAX_PAIRS` pairs as cards."""
    return [_card(pair) for pair in pairs[:MAX_PAIRS]]


def _card(pair: SamplePair) -> PairCard:
    turns = [(label(t.get("role", ""), 24), cut(t.get("content", ""))) for t in pair.prompt]
    bars = _bars(pair)
    return PairCard(
        feature=label(pair.feature),
        source=SOURCES.get(pair.pair_source, words(pair.pair_source)),
        verdict=None if pair.verdict is None else label(pair.verdict, 80),
        score=f"{pair.failure_score:.2f}",
        earlier=turns[:-MAX_TURNS],
        turns=turns[-MAX_TURNS:],
        diff=compare(pair.rejected, pair.chosen),
        waterfall=draw(_spec(bars)),
        waterfall_label="Evidence. " + "; ".join(f"{b['name']} {b['text']}" for b in bars),
        request_ids=[label(i, 256) for i in pair.request_ids],
    )


def _bars(pair: SamplePair) -> list[dict[str, Any]]:
    """Prior, each signal, and the sum, on the log-odds scale.

    The prior is what remains of the score's log-odds after the signals, so that the bars add up to
    the score whatever weights made it.
    """
    score = min(max(pair.failure_score, 1e-6), 1 - 1e-6)
    total = math.log(score / (1 - score))
    signals = sorted(pair.contributions, key=lambda item: -abs(item[1]))
    if len(signals) > MAX_BARS:
        head, tail = signals[: MAX_BARS - 1], signals[MAX_BARS - 1 :]
        signals = [*head, (f"{len(tail)} others", sum(v for _, v in tail))]
    at = total - sum(value for _, value in pair.contributions)
    bars = [_bar("before evidence", 0.0, at, signed(at, 1), "sum")]
    for signal, value in signals:
        bars.append(_bar(words(signal), at, at + value, signed(value, 1), "for" if value > 0 else "against"))
        at += value
    return [*bars, _bar("score", 0.0, total, f"{signed(total, 1)} → {pair.failure_score:.2f}", "sum")]


def _bar(name: str, start: float, end: float, text: str, kind: str) -> dict[str, Any]:
    return {"name": name, "from": start, "to": end, "right": max(start, end), "text": text, "kind": kind}


def _spec(bars: list[dict[str, Any]]) -> Spec:
    ends = [float(v) for b in bars for v in (b["from"], b["to"])]
    low, high = min(ends), max(ends)
    x = {
        "type": "quantitative",
        "scale": {"domain": [low, high + max((high - low) * 0.38, 0.5)], "nice": False},
    }
    x_axis = {"title": "log-odds of failure", "tickCount": 4, "format": "~g", "titlePadding": 6}
    y = {
        "field": "row",
        "type": "ordinal",
        "sort": None,
        # Rows go by position, because two signals may read alike; the name is written by a text mark.
        "axis": None,
    }
    rows = [{**bar, "row": i} for i, bar in enumerate(bars)]
    colors = {"domain": ["sum", "for", "against"], "range": [MUTED, FAIL, BLUE]}
    names = {"type": "text", "align": "right", "x": -8, "color": INK, "limit": 104}
    return {
        "width": 200,
        "height": {"step": 21},
        "padding": {"left": 10, "right": 4, "top": 2, "bottom": 2},
        "data": inline(rows),
        "layer": [
            {
                "data": inline([{"zero": 0}]),
                "mark": {"type": "rule", "color": AXIS},
                "encoding": {"x": {**x, "field": "zero", "axis": x_axis}},
            },
            {
                "mark": {"type": "bar", "height": {"band": 0.62}},
                "encoding": {
                    "x": {**x, "field": "from", "axis": x_axis},
                    "x2": {"field": "to"},
                    "y": y,
                    "color": {"field": "kind", "type": "nominal", "scale": colors, "legend": None},
                },
            },
            {"mark": names, "encoding": {"y": y, "text": {"field": "name", "type": "nominal"}}},
            {
                "mark": {"type": "text", "align": "left", "dx": 5, "color": MUTED},
                "encoding": {
                    "x": {**x, "field": "right", "axis": x_axis},
                    "y": y,
                    "text": {"field": "text", "type": "nominal"},
                },
            },
        ],
    }
