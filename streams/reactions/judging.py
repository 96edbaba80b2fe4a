"""Online judging of a batch of failures: who may be judged, what is known already, what is stored."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from contracts.errors import JudgeRefused
from contracts.settings import Settings
from contracts.validation import SECOND
from curation.bench_judging import judge_by_feature
from curation.eligibility import eligible, with_owner
from curation.judge.bench import Bench
from curation.judge.budget import Limits
from curation.judge.verdicts import Judgment, Spend, total_spent
from curation.judging import judge_items
from curation.redaction.step import make_redactor, redact
from curation.revocations import quarantine_revoked, revocations_in
from curation.verdict_memory import Memory
from sinks.judge_journal import FOLDER, JudgeJournal
from sinks.judgments import JudgmentIndex
from sinks.lake import Lake
from streams.reactions.budget import HOUR_S, Booked, HourlyBudget, share_of
from streams.reactions.failures import consents_of, failure_frame, with_text
from streams.reactions.spending import spent_online
from streams.reactions.stats import ReactionStats

log = logging.getLogger("tailrace.reactions")


def _clock_us() -> int:
    return time.time_ns() // 1_000


class OnlineJudge:
    """Judges failures as they happen, under an hourly budget.

    What it leaves unjudged is counted, and the nightly build meets it again: nothing is lost, and
    nothing is sampled in silence. Verdicts of both share one cache, the `judgments` table.

    The hour outlives the process: before the first call, and whenever this worker's share of the partitions
    changes, the budget is set to its share of what `judgments` says all online judges have spent within the
    last hour. Partitions are alike, so that is exact in expectation for one worker and, rounding aside,
    exact for all together. Answers that were billed and gave no verdict leave no row: they count in
    the process that got them.
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
        self._bench = Bench.from_settings(settings, budget=self.budget)
        self._journal = JudgeJournal(settings.home / FOLDER)
        self._index = JudgmentIndex(lake)
        self._share: float | None = None
        self._one_at_a_time = threading.Lock()
        self._fruitless: deque[tuple[int, Spend]] = deque()
        stats.judge_budget_left = self.budget.left

    def judge(self, failures: Sequence[Any], fresh_consents: pl.DataFrame, *, share: float = 1.0) -> None:
        """Judge a batch and store the verdicts; counts everything that becomes of it. Blocking.

        `fresh_consents` are changes newer than what the lake may hold, `share` is this worker's part of the
        partitions. Safe to repeat. Raises `LakeUnavailable` (transient); items are counted only at the end,
        so a repeat counts once.
        """
        # An agent that was cancelled leaves its thread behind, still judging.
        with self._one_at_a_time:
            self._judge_batch(failures, fresh_consents, share)

    def _judge_batch(self, failures: Sequence[Any], fresh_consents: pl.DataFrame, share: float) -> None:
        self._take_share(share)
        frame = failure_frame(failures)
        # Messages and worker may be older than the key the lake is under.
        rows = self._lake.pseudonyms.current(with_text(self._lake, frame))
        users = rows["user_key"].drop_nulls().unique().to_list()
        stored = consents_of(self._lake, users, self._curation.purpose)
        consents = pl.concat([stored, self._lake.pseudonyms.current(fresh_consents)])
        allowed = eligible(rows, consents, self._curation)
        self._quarantine(rows, allowed.refused, consents)
        skipped: Counter[str] = Counter(allowed.refused["reason"].to_list())
        skipped["not_in_lake"] = frame.height - rows.height
        judgments, problem = self._judged(self._redacted(allowed.kept))
        self._count(skipped, judgments, allowed.kept.height, problem)

    def _quarantine(self, rows: pl.DataFrame, refused: pl.DataFrame, consents: pl.DataFrame) -> None:
        """Quarantine what is refused for a revocation: a request may settle after it."""
        revoked = refused.filter(reason="consent_revoked")["request_ids"].explode()
        mine = with_owner(rows).filter(pl.col("request_id").is_in(revoked.implode()))
        now = datetime.fromtimestamp(self._clock_us() / SECOND, UTC)
        added = quarantine_revoked(self._lake, mine, revocations_in(consents), now=now)
        self._stats.quarantined += added

    def _redacted(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What the judge may see: it can be an endpoint of somebody else's."""
        return rows if self._redactor is None else redact(rows, self._redactor).rows

    def _take_share(self, share: float) -> None:
        """Go on with another share of the hour, if it is another."""
        if share == self._share:
            return
        # What a dead worker paid for counts only once it is in the table.
        self._journal.settle(self._lake, index=self._index)
        now_us = self._clock_us()
        spent = share_of(spent_online(self._lake, now_us), share)
        self.budget.begin(share, [*spent, *self._spent_in_vain(now_us)])
        self._share = share

    def _spent_in_vain(self, now_us: int) -> list[Booked]:
        ago = [((now_us - at_us) / SECOND, spend) for at_us, spend in self._fruitless]
        return [(seconds, spend) for seconds, spend in ago if seconds < HOUR_S]

    def _judged(self, rows: pl.DataFrame) -> tuple[list[Judgment], str]:
        if rows.is_empty():
            return [], ""
        before, judgments = self.budget.ever, list[Judgment]()
        now_us = self._clock_us()
        memory = Memory(self._lake, now_us, self._journal, "online", self._index)
        try:
            judged = judge_by_feature(memory, self._bench, judge_items(rows), rows["feature"].to_list())
            judgments = judged.judgments
        except JudgeRefused as refused:
            # A wrong key must not stop the join beside us; readiness and the metrics tell.
            log.error("the online judge is refused: %s", refused)
            return [], f"the judge is refused: {refused}"
        finally:
            self._count_spending(now_us, before, judgments)
        return judgments, ""

    def _count_spending(self, now_us: int, before: Spend, judgments: Sequence[Judgment]) -> None:
        """Everything that was paid counts, also when it brought nothing or an error came in between."""
        spent = self.budget.ever
        stats = self._stats
        stats.judge_calls = spent.calls
        stats.judge_input_tokens = spent.input_tokens
        stats.judge_output_tokens = spent.output_tokens
        stats.judge_cost_usd = spent.cost_usd
        in_vain = spent - before - total_spent([j for j in judgments if j.verdict is not None])
        if in_vain.calls > 0:
            self._fruitless.append((now_us, in_vain))
        while self._fruitless and self._fruitless[0][0] <= now_us - HOUR_S * SECOND:
            self._fruitless.popleft()

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
        stats.problem = problem
