"""Length bias of a drop: how often the chosen side is the longer one, and keeping that in bounds.

Preference training learns "longer is better" from pairs that say so, whatever else they say (P. Singhal et
al., A Long Way to Go: Investigating Length Correlations in RLHF, 2023), so a drop says how it stands, and the
share can be limited. Lengths are characters of what a side says, calls of tools included.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import polars as pl

from contracts.chat import turn_text
from contracts.settings import CurationSettings
from curation.agreement.wilson import wilson
from curation.pairs import parse
from curation.share_caps import cap_marked, most_beside
from curation.steps import StepResult

STEP: Final = "length_balance"
DIGITS: Final = 4


def side_length(turns: str) -> int:
    """Characters of a side (JSON turns)."""
    return sum(len(turn_text(turn)) for turn in parse(turns))


def _lengths(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `_chosen` and `_rejected`, the lengths of the sides; null for a side that is not there."""
    return rows.with_columns(
        rows[side].map_elements(side_length, return_dtype=pl.Int64).alias(f"_{side}")
        for side in ("chosen", "rejected")
    )


def length_bias(rows: pl.DataFrame, settings: CurationSettings) -> dict[str, object]:
    """The manifest's `length_bias`, over the pairs of a drop.

    rows: kind, pair_source, feature, chosen, rejected. Every part has what `_figures` gives; `limit` is
    `curation.length_balance`.
    """
    pairs = _lengths(rows.filter(pl.col("kind") == "preference"))
    return {
        "unit": "characters",
        "limit": settings.length_balance,
        "all": _figures(pairs),
        "pair_sources": _parts(pairs, "pair_source"),
        "features": _parts(pairs, "feature"),
    }


def _parts(pairs: pl.DataFrame, column: str) -> dict[str, dict[str, Any]]:
    return {str(name): _figures(part) for (name,), part in sorted(pairs.group_by(column), key=lambda p: p[0])}


def _figures(pairs: pl.DataFrame) -> dict[str, Any]:
    """pairs; chosen_longer, chosen_shorter, equal: pairs; longer_share: chosen_longer ÷ pairs of different
    lengths, with its 95 % Wilson interval `low` to `high`; mean_log_ratio and median_log_ratio of chosen ÷
    rejected length (natural logarithm). Null where there is nothing to divide.
    """
    longer = int((pairs["_chosen"] > pairs["_rejected"]).sum())
    shorter = int((pairs["_chosen"] < pairs["_rejected"]).sum())
    decided = longer + shorter
    low, high = wilson(longer, decided)
    ratios = pairs["_chosen"].clip(lower_bound=1).log() - pairs["_rejected"].clip(lower_bound=1).log()
    return {
        "pairs": pairs.height,
        "chosen_longer": longer,
        "chosen_shorter": shorter,
        "equal": pairs.height - decided,
        "longer_share": round(longer / decided, DIGITS) if decided else None,
        "low": round(low, DIGITS) if decided else None,
        "high": round(high, DIGITS) if decided else None,
        "mean_log_ratio": _rounded(ratios.mean()),
        "median_log_ratio": _rounded(ratios.median()),
    }


def _rounded(value: Any) -> float | None:
    # Adding zero makes a negative zero positive: the manifest has one way to write it.
    return None if value is None else round(float(value), DIGITS) + 0.0


def balance_lengths(rows: pl.DataFrame, settings: CurationSettings) -> StepResult:
    """Refuse pairs whose chosen side is longer, beyond `length_balance` of the pairs that stay.

    rows: final rows with example_id, kind, chosen, rejected, safety, request_ids, date and
    inclusion_probability. The reason is `length_balance`; which stay is drawn at random, see `cap_marked`.
    Safety-tagged pairs count, but are never refused; unpaired rows are not concerned.
    """
    limit = settings.length_balance
    measured = _lengths(rows)
    pair = pl.col("kind") == "preference"
    longer = (pair & (pl.col("_chosen") > pl.col("_rejected"))).fill_null(value=False)
    marks = measured.select(pair=pair, longer=longer, mine=longer & ~pl.col("safety"))
    pairs, long, mine = (int(marks[name].sum()) for name in ("pair", "longer", "mine"))
    most = None if limit is None else most_beside(pairs - long, limit)
    result = cap_marked(
        STEP,
        measured,
        marks["mine"],
        most=None if most is None else max(0, most - (long - mine)),
        seed=settings.seed,
        reason="length_balance",
        detail=pl.format("{} against {} characters", "_chosen", "_rejected"),
    )
    return replace(result, kept=result.kept.drop("_chosen", "_rejected"))
