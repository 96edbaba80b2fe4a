"""Questions asked through the OpenAI Batch API: half the price, an answer within a day.

What is out is remembered (`batch_memory`): a run that finds its questions in an unfinished batch waits for
that one instead of submitting them again, whoever submitted it and however that run ended.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from curation.judge.asking import LiveAsker
from curation.judge.batch_api import BatchApi
from curation.judge.batch_files import FileLimits
from curation.judge.batch_memory import BatchMemory
from curation.judge.batch_place import Batches
from curation.judge.batch_run import BatchRun
from curation.judge.batch_tally import Tally
from curation.judge.budget import Budget, Prices, TokenEstimate
from curation.judge.questions import Instrument, OnOutcome, Outcome, Question
from curation.judge.session import RetryPolicy

T = TypeVar("T")

log = logging.getLogger("tailrace.judge")


@dataclass(frozen=True, kw_only=True)
class Polling:
    """The whole wait, seconds, and the pauses between looks: the first, how they grow, the longest."""

    wait: float
    first: float = 2.0
    growth: float = 1.5
    longest: float = 60.0


class BatchAsker:
    """Asks through batches, see `Asker`. One instance is one run, with one budget.

    - Estimates for all questions are reserved before anything is uploaded; what does not fit the budget comes
      back `budget`. What answers really cost is booked when they are fetched.
    - An answer that does not fit its form is repaired once, live and at the full price: a second batch could
      take another day for a handful of answers.
    - Whatever is not there when the wait is over comes back `pending`; the batch goes on, and the next run
      that asks the same fetches it. Lines that failed, and batches that expired, come back with the reason
      and are asked again by the next run.
    - Interrupted or killed, it leaves its batches running.
    """

    at_once: int | None = sys.maxsize
    """Everything in one call: each may wait for hours."""

    def __init__(
        self,
        live: LiveAsker,
        batches: Batches,
        *,
        prices: Prices,
        retries: RetryPolicy,
        polling: Polling,
        limits: FileLimits | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`live` repairs answers; it has the same instrument, and its budget is that of the batches too."""
        self.instrument: Instrument = live.instrument
        self.budget: Budget = live.budget
        self._live = live
        self._batches = batches
        self._prices = prices
        self._retries = retries
        self._polling = polling
        self._limits = limits or FileLimits()
        self._sleep = sleep
        self._estimate = TokenEstimate()

    def ask(
        self, questions: Sequence[Question[T]], *, on_outcome: OnOutcome[T] | None = None
    ) -> list[Outcome[T]]:
        """One outcome per question in the same order, see `Asker`."""
        if not questions:
            return []
        api = BatchApi(self.instrument, self._retries, sleep=self._sleep)
        tally = Tally(
            questions,
            self.instrument.parameters,
            budget=self.budget,
            prices=self._prices,
            estimate=self._estimate,
            on_outcome=on_outcome,
        )
        memory = BatchMemory(self._batches.folder)
        run = BatchRun(tally, api, memory, live=self._live, limits=self._limits)
        try:
            run.start()
            self._wait_for(run)
        except KeyboardInterrupt:
            if run.out:
                log.warning(
                    "%s questions are out in batches that go on at the endpoint; run the same command to "
                    "fetch the answers, nothing is paid twice",
                    f"{run.out:,}",
                )
            raise
        finally:
            api.close()
        return tally.outcomes_of(questions)

    def _wait_for(self, run: BatchRun[T]) -> None:
        """Look at the batches until they are over or the wait is, then leave the rest pending."""
        polling = self._polling
        until = time.monotonic() + polling.wait
        pause = polling.first
        while True:
            asked_to_wait = run.look()
            if self._batches.on_poll is not None:
                self._batches.on_poll(run.answered, run.asked)
            left = until - time.monotonic()
            if not run.out or left <= 0:
                break
            self._sleep(min(max(pause, asked_to_wait), left))
            pause = min(pause * polling.growth, polling.longest)
        if run.out:
            log.warning(
                "%s questions are still out in batches after %.1f hours; the next run fetches the answers",
                f"{run.out:,}",
                polling.wait / 3600,
            )
            run.give_up()
