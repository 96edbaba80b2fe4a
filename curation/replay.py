"""What judges said when a drop was built, and nothing they said since: a judge's memory that asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from contracts.errors import NotRebuildable
from curation.judge.base import Judge
from curation.judge.pairwise import Comparer, Comparison, OrderJudgment, Preference, preferences
from curation.judge.rules import RulesJudge
from curation.judge.verdicts import JudgeItem, Judgment, UnjudgedReason
from curation.judging import verdicts_in
from curation.judging_pairs import order_verdicts
from sinks.judgments import JudgmentIndex

NAMED: Final = 5
"""Requests that an error names."""

Unjudged = Callable[[str, str, str], str | None]
"""Epoch, content hash and request of a question → why it stayed without a verdict; None: it did not."""


@dataclass
class Replay:
    """The verdicts of a past build.

    index: over `judgments` as it was. unjudged: what had no verdict. until: verdicts made later were unknown,
    for drops that do not say what had none.
    """

    index: JudgmentIndex
    unjudged: Unjudged
    until: datetime | None = None

    def judgments(self, judge: Judge, items: Sequence[JudgeItem]) -> list[Judgment]:
        """What a judge said of each item, in order. Raises `NotRebuildable` when verdicts are gone.

        What the rules judge said is worked out again where it is not stored: it is a function of the item.
        """
        epoch = judge.epoch.id
        known = verdicts_in(self._held(epoch, [item.content_hash for item in items]))
        reasons = [self._reason(epoch, item.content_hash, item.request_id, known) for item in items]
        if isinstance(judge, RulesJudge):
            absent = [item for item in items if item.content_hash not in known]
            known |= {j.content_hash: j.verdict for j in judge.judge(absent) if j.verdict is not None}
        asked = [item for item, reason in zip(items, reasons, strict=True) if reason is None]
        self._require(epoch, [(item.request_id, item.content_hash) for item in asked], known)
        return [
            Judgment(
                request_id=item.request_id,
                content_hash=item.content_hash,
                epoch=epoch,
                verdict=known[item.content_hash] if reason is None else None,
                reason=None if reason is None else UnjudgedReason(reason),
            )
            for item, reason in zip(items, reasons, strict=True)
        ]

    def preferences(self, comparer: Comparer, comparisons: Sequence[Comparison]) -> list[Preference]:
        """What a judge preferred in each comparison, in order. Raises `NotRebuildable`."""
        epoch = comparer.epoch.id
        orders = {o.content_hash: o for comparison in comparisons for o in comparison.orders}
        known = order_verdicts(self._held(epoch, list(orders)))
        reasons = {key: self._reason(epoch, key, order.request_id, known) for key, order in orders.items()}
        asked = [(order.request_id, key) for key, order in orders.items() if reasons[key] is None]
        self._require(epoch, asked, known)
        done = {
            key: OrderJudgment(
                order=order,
                epoch=epoch,
                verdict=known[key] if (reason := reasons[key]) is None else None,
                reason=None if reason is None else UnjudgedReason(reason),
            )
            for key, order in orders.items()
        }
        return preferences(comparisons, done)

    def _reason(self, epoch: str, content: str, request: str, known: Mapping[str, object]) -> str | None:
        """Why a question had no verdict. A drop that keeps no questions knows requests only, of which one
        question may have been answered and another not."""
        if self.until is not None and content in known:
            return None
        return self.unjudged(epoch, content, request)

    def _held(self, epoch: str, contents: Sequence[str]) -> pl.DataFrame:
        wanted = pl.DataFrame({"content_hash": contents}, schema={"content_hash": pl.String()})
        rows = self.index.held(wanted.unique().with_columns(epoch=pl.lit(epoch)))
        return rows if self.until is None else rows.filter(pl.col("judged_at") <= self.until)

    def _require(self, epoch: str, asked: Sequence[tuple[str, str]], known: Mapping[str, object]) -> None:
        """Raise `NotRebuildable` naming the requests whose content has no verdict any more."""
        gone = sorted(request for request, content in asked if content not in known)
        if gone:
            some = ", ".join(gone[:NAMED]) + (", …" if len(gone) > NAMED else "")
            raise NotRebuildable(
                "verdicts it was made with are gone",
                [
                    f"judgments: {len(gone):,} of {len(asked):,} verdicts of epoch {epoch} are not there any "
                    f"more, on requests {some}"
                ],
                hint="They were erased, or deleted by retention; nobody is asked again for a rebuild.",
            )
