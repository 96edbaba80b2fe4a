"""What every judge is, and how to get the one the settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from contracts.settings import CurationSettings, JudgeSettings
from curation.judge.budget import Budget, Prices
from curation.judge.epoch import JudgeEpoch
from curation.judge.rubrics import DEFAULT, load_rubric
from curation.judge.rules import RulesJudge, RuleThresholds
from curation.judge.verdicts import JudgeItem, Judgment


class Judge(Protocol):
    """Confirms or rejects suspected failures. Its verdicts belong to its epoch."""

    @property
    def epoch(self) -> JudgeEpoch:
        """Everything that decides its verdicts."""

    def judge(
        self, items: Sequence[JudgeItem], *, on_progress: Callable[[int], None] | None = None
    ) -> list[Judgment]:
        """One judgment per item in the same order; ``on_progress`` gets the number of items done.

        No item is ever left out: one without a verdict says why. Raises `JudgeRefused` when the
        judge cannot work at all.
        """


def make_judge(
    settings: JudgeSettings,
    *,
    curation: CurationSettings | None = None,
    rubric: str | Path = DEFAULT,
    budget: Budget | None = None,
    prices: Prices | None = None,
) -> Judge:
    """The judge the settings name; make a new one for every run, as its budget lasts for one.

    ``curation`` hands the edit range and failure threshold to the rules judge. ``budget`` replaces
    the one of ``settings.max_calls`` (the online judge has its own). Raises `SettingsError` when the
    endpoint needs a key and none is set, or URL or rubric are unusable. Opens no connection.
    """
    if settings.kind == "rules":
        return RulesJudge(RuleThresholds.from_curation(curation) if curation else None)
    # The OpenAI package takes over a second to import, which commands that judge nothing should not pay.
    from curation.judge.endpoint import Endpoint
    from curation.judge.openai_judge import OpenAIJudge
    from curation.judge.session import RetryPolicy
    from curation.judge.transport import ChatParameters

    return OpenAIJudge(
        endpoint=Endpoint.from_settings(settings),
        parameters=ChatParameters(
            model=settings.model,
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            timeout_seconds=settings.timeout_seconds,
        ),
        rubric=load_rubric(rubric),
        budget=budget or Budget(settings.max_calls),
        retries=RetryPolicy(max_retries=settings.max_retries),
        concurrency=settings.concurrency,
        prices=prices,
    )
