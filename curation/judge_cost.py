"""What the verdicts behind a drop cost when they were made: the same whenever it is built again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curation.judge.verdicts import Judgment, Spend


def paid_for(judgments: Sequence[Judgment]) -> Spend:
    """What the verdicts among judgments cost, each content once, cached ones as they were paid.

    `calls` counts the verdicts.
    """
    verdicts = {(j.epoch, j.content_hash): j.verdict for j in judgments if j.verdict is not None}.values()
    return Spend(
        calls=len(verdicts),
        input_tokens=sum(v.input_tokens for v in verdicts),
        output_tokens=sum(v.output_tokens for v in verdicts),
        cost_usd=sum(v.cost_usd for v in verdicts),
    )


def cost_block(pointwise: Spend, pairwise: Spend, *, examples: int) -> dict[str, Any]:
    """The manifest's `judge_cost`.

    `calls` of the spends count verdicts and answered comparisons. `per_judged` is what one verdict cost,
    `per_example` what a row of the drop cost, comparisons included; null without any.
    """
    both = pointwise + pairwise
    return {
        "verdicts": pointwise.calls,
        "comparisons": pairwise.calls,
        "input_tokens": both.input_tokens,
        "output_tokens": both.output_tokens,
        "cost_usd": round(both.cost_usd, 6),
        "per_judged": _each(pointwise, pointwise.calls),
        "per_example": _each(both, examples),
    }


def _each(spend: Spend, number: int) -> dict[str, float] | None:
    if not number:
        return None
    return {"tokens": round(spend.tokens / number, 2), "cost_usd": round(spend.cost_usd / number, 8)}


def so_far(spent: Spend) -> str:
    """What a run has spent, behind the name of what it does; nothing while it cost nothing."""
    if not spent.calls:
        return ""
    money = f", ${spent.cost_usd:,.4f}" if spent.cost_usd else ""
    return f" ({spent.calls:,} calls, {spent.tokens:,} tokens{money})"
