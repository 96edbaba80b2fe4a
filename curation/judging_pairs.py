"""Comparisons through the verdict cache: an order judged once in an epoch is never paid again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import polars as pl

from contracts.tables import frame_schema
from curation.judge.pairwise import (
    Comparer,
    Comparison,
    OrderJudgment,
    OrderVerdict,
    Preference,
    preferences,
)
from sinks.lake import Lake
from sinks.transactions import append_once

STORE_AFTER: Final = 64
"""Verdicts are stored when so many have come, so that a kill loses few of them."""

Progress = Callable[[int, int], None]
"""Called with (orders done, total)."""


def known_orders(lake: Lake, epoch: str, contents: Sequence[str]) -> dict[str, OrderVerdict]:
    """Verdicts on single orders of one epoch in table `judgments`, by content hash."""
    wanted = pl.col("content_hash").is_in(contents)
    rows = lake.scan("judgments").filter(pl.col("epoch") == epoch, wanted).collect()
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
    lake: Lake,
    judge: Comparer,
    comparisons: Sequence[Comparison],
    *,
    judged_at_us: int,
    progress: Progress | None = None,
) -> list[Preference]:
    """A preference per comparison, in order; new verdicts on single orders are stored as they come.

    So a comparison of which one order was judged before a kill, or before the budget ran out, needs only the
    other one. `judged_at_us` is the clock, UTC microseconds. Raises what `Comparer.judge_orders` raises.
    """
    epoch = judge.epoch
    pair_of = {o.content_hash: c.pair_hash for c in comparisons for o in c.orders}
    orders = {o.content_hash: o for c in comparisons for o in c.orders}
    known = known_orders(lake, epoch.id, list(orders))
    done = {
        key: OrderJudgment(order=orders[key], epoch=epoch.id, verdict=verdict)
        for key, verdict in known.items()
    }
    to_ask = [order for key, order in orders.items() if key not in done]
    store = _Store(lake, epoch.name, pair_of, judged_at_us)

    def keep(judgment: OrderJudgment) -> None:
        done[judgment.order.content_hash] = judgment
        store.add(judgment)
        if progress:
            progress(len(done), len(orders))

    try:
        for judgment in judge.judge_orders(to_ask, on_judgment=keep):
            done[judgment.order.content_hash] = judgment
    finally:
        store.flush()
    return preferences(comparisons, done)


def store_orders(
    lake: Lake,
    judgments: Sequence[OrderJudgment],
    pair_of: Mapping[str, str],
    *,
    judge_name: str,
    judged_at_us: int,
) -> int:
    """Append verdicts on orders to `judgments`, one per content; unjudged orders leave no row.

    pair_of: content hash of an order → hash of its pair. Returns how many rows were written.
    """
    judged_at = datetime.fromtimestamp(judged_at_us / 1_000_000, UTC)
    rows: dict[str, dict[str, Any]] = {}
    for judgment in judgments:
        key = judgment.order.content_hash
        if judgment.verdict is not None and key not in rows:
            verdict = msgspec.structs.asdict(judgment.verdict)
            rows[key] = {
                "epoch": judgment.epoch,
                "content_hash": key,
                "request_id": judgment.order.request_id,
                "judge": judge_name,
                "verdict": verdict.pop("winner"),
                **verdict,
                "task": "pairwise",
                "pair_hash": pair_of[key],
                "first_chars": judgment.order.first.chars,
                "second_chars": judgment.order.second.chars,
                "first_model": judgment.order.first.model,
                "second_model": judgment.order.second.model,
                "judged_at": judged_at,
                "date": judged_at.date(),
            }
    if not rows:
        return 0
    frame = pl.DataFrame(list(rows.values()), schema=frame_schema("judgments"), infer_schema_length=None)
    contents = hashlib.sha256("".join(sorted(rows)).encode()).hexdigest()
    return append_once(lake, "judgments", frame, batch_id=f"judgments/{judgments[0].epoch}/{contents}")


class _Store:
    """Verdicts on their way into the table."""

    def __init__(self, lake: Lake, judge_name: str, pair_of: Mapping[str, str], judged_at_us: int) -> None:
        self._lake = lake
        self._judge_name = judge_name
        self._pair_of = pair_of
        self._judged_at_us = judged_at_us
        self._waiting: list[OrderJudgment] = []

    def add(self, judgment: OrderJudgment) -> None:
        if judgment.verdict is not None:
            self._waiting.append(judgment)
        if len(self._waiting) >= STORE_AFTER:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            store_orders(
                self._lake,
                self._waiting,
                self._pair_of,
                judge_name=self._judge_name,
                judged_at_us=self._judged_at_us,
            )
            self._waiting = []
