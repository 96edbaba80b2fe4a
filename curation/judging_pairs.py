"""Comparisons through the verdict cache: an order judged once in an epoch is never paid again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl

from curation.judge.pairwise import (
    Comparer,
    Comparison,
    OrderJudgment,
    OrderVerdict,
    Preference,
    preferences,
)
from curation.judging import chunk_size
from curation.verdict_memory import Memory, Progress


def known_orders(memory: Memory, epoch: str, contents: Sequence[str]) -> dict[str, OrderVerdict]:
    """Verdicts on single orders of one epoch in table `judgments`, by content hash."""
    return order_verdicts(memory.known(epoch, contents))


def order_verdicts(rows: pl.DataFrame) -> dict[str, OrderVerdict]:
    """Verdicts on single orders from rows of `judgments`, by content hash."""
    return {
        row["content_hash"]: OrderVerdict(
            winner=row["verdict"],
            strength=row["strength"],
            confidence=row["confidence"],
            rationale=row["rationale"],
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cost_usd=row["cost_usd"],
        )
        for row in rows.iter_rows(named=True)
    }


def compare_all(
    memory: Memory,
    judge: Comparer,
    comparisons: Sequence[Comparison],
    *,
    progress: Progress | None = None,
) -> list[Preference]:
    """A preference per comparison, in order; verdicts on single orders are kept as they come.

    So a comparison of which one order was judged before a kill, or before the budget ran out, needs only the
    other one. `progress` counts orders. Raises what `Comparer.judge_orders` and `Memory.store` raise.
    """
    epoch = judge.epoch
    memory.settle()
    pair_of = {o.content_hash: c.pair_hash for c in comparisons for o in c.orders}
    orders = {o.content_hash: o for c in comparisons for o in c.orders}
    known = known_orders(memory, epoch.id, list(orders))
    done = {
        key: OrderJudgment(order=orders[key], epoch=epoch.id, verdict=verdict)
        for key, verdict in known.items()
    }
    row_of = _Rows(epoch.name, pair_of, memory)
    paid: list[dict[str, Any]] = []

    def keep(judgment: OrderJudgment) -> None:
        done[judgment.order.content_hash] = judgment
        if judgment.verdict is not None:
            paid.append(row_of(judgment, judgment.verdict))
            memory.note(paid[-1])
        else:
            order = judgment.order
            memory.leave(epoch.id, order.content_hash, order.request_id, judgment.reason)
        if progress:
            progress(len(done), len(orders))

    to_ask = [order for key, order in orders.items() if key not in done]
    size = chunk_size(judge.at_once, memory.journal)
    for start in range(0, len(to_ask), size):
        try:
            judge.judge_orders(to_ask[start : start + size], on_judgment=keep)
        finally:
            memory.store(paid)
        paid.clear()
    return preferences(comparisons, done)


class _Rows:
    """Makes rows of `judgments`."""

    def __init__(self, judge_name: str, pair_of: Mapping[str, str], memory: Memory) -> None:
        self._judge_name = judge_name
        self._pair_of = pair_of
        self._judged_at = datetime.fromtimestamp(memory.judged_at_us / 1_000_000, UTC)
        self._origin = memory.origin

    def __call__(self, judgment: OrderJudgment, verdict: OrderVerdict) -> dict[str, Any]:
        order = judgment.order
        fields = msgspec.structs.asdict(verdict)
        return {
            "epoch": judgment.epoch,
            "content_hash": order.content_hash,
            "request_id": order.request_id,
            "origin": self._origin,
            "calls": judgment.spent.calls,
            "judge": self._judge_name,
            "verdict": fields.pop("winner"),
            **fields,
            "task": "pairwise",
            "pair_hash": self._pair_of[order.content_hash],
            "first_chars": order.first.chars,
            "second_chars": order.second.chars,
            "first_model": order.first.model,
            "second_model": order.second.model,
            "judged_at": self._judged_at,
            "date": self._judged_at.date(),
        }
