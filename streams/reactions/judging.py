"""Online judging of a batch of failures: who may be judged, what is known already, what is stored."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from contracts.errors import JudgeRefused
from contracts.settings import Settings
from curation.confirm import judge_all, judge_items
from curation.eligibility import eligible
from curation.judge.base import make_judge
from curation.judge.budget import Limits
from curation.judge.verdicts import Judgment, total_spent
from curation.redaction.step import make_redactor, redact
from sinks.lake import Lake
from streams.reactions.budget import HourlyBudget
from streams.reactions.failures import consents_of, failure_frame, with_text
from streams.reactions.stats import ReactionStats

log = logging.getLogger("tailrace.reactions")


def _clock_us() -> int:
    return time.time_ns() // 1_000


class OnlineJudge:
    """Judges failures as they happen, under an hourly budget.

    What it leaves unjudged is counted, and the nightly build meets it again: nothing is lost, and
    nothing is sampled in silence. Verdicts of both share one cache, the `judgments` table.
    """

    def __init__(
        self,
        settings: Settings,
        lake: Lake,
        stats: ReactionStats,
        *,
        clock_us: Callable[[], int] = _clock_us,
    ) -> None:
        """Raises `SettingsError` when the judge's settings cannot work."""
        self.budget = HourlyBudget(Limits.of_hour(settings.judge))
        self._curation = settings.curation
        self._redactor = make_redactor(settings.privacy)
        self._lake = lake
        self._stats = stats
        self._clock_us = clock_us
        self._judge = make_judge(settings.judge, curation=settings.curation, budget=self.budget)

    def judge(self, failures: Sequence[Any], fresh_consents: pl.DataFrame) -> None:
        """Judge a batch and store the verdicts; counts everything that becomes of it. Blocking.

        `fresh_consents` are changes newer than what the lake may hold. Safe to repeat. Raises
        `LakeUnavailable` (transient); counts are touched only at the end, so a repeat counts once.
        """
        frame = failure_frame(failures)
        rows = with_text(self._lake, frame)
        users = rows["user_key"].drop_nulls().unique().to_list()
        stored = consents_of(self._lake, users, self._curation.purpose)
        consents = pl.concat([stored, fresh_consents])
        allowed = eligible(rows, consents, self._curation)
        skipped: Counter[str] = Counter(allowed.refused["reason"].to_list())
        skipped["not_in_lake"] = frame.height - rows.height
        judgments, problem = self._judged(self._redacted(allowed.kept))
        self._count(skipped, judgments, allowed.kept.height, problem)

    def _redacted(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What the judge may see: it can be an endpoint of somebody else's."""
        return rows if self._redactor is None else redact(rows, self._redactor).rows

    def _judged(self, rows: pl.DataFrame) -> tuple[list[Judgment], str]:
        if rows.is_empty():
            return [], ""
        try:
            items = judge_items(rows)
            return judge_all(self._lake, self._judge, items, judged_at_us=self._clock_us()), ""
        except JudgeRefused as refused:
            # A wrong key must not stop the join beside us; readiness and the metrics tell.
            log.error("the online judge is refused: %s", refused)
            return [], f"the judge is refused: {refused}"

    def _count(self, skipped: Counter[str], judgments: Sequence[Judgment], asked: int, problem: str) -> None:
        stats = self._stats
        stats.skipped.update(+skipped)
        for judgment in judgments:
            if judgment.verdict is not None:
                stats.verdicts[judgment.verdict.verdict] += 1
            elif judgment.reason is not None:
                stats.unjudged[judgment.reason.value] += 1
        if problem:
            stats.unjudged["endpoint_refused"] += asked
        spent = total_spent(judgments)
        stats.judge_calls += spent.calls
        stats.judge_input_tokens += spent.input_tokens
        stats.judge_output_tokens += spent.output_tokens
        stats.judge_cost_usd += spent.cost_usd
        stats.problem = problem
