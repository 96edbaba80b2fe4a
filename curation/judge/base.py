"""What every judge is, and how to get the one the settings ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from contracts.settings import CurationSettings, JudgeEndpointSettings, JudgeSettings
from curation.judge.batch_place import Batches
from curation.judge.budget import Budget, Limits, Prices
from curation.judge.epoch import JudgeEpoch
from curation.judge.rubrics import load_rubric
from curation.judge.rules import RulesJudge, RuleThresholds
from curation.judge.verdicts import JudgeItem, Judgment

if TYPE_CHECKING:
    from curation.judge.questions import Asker


class Judge(Protocol):
    """Confirms or rejects suspected failures. Its verdicts belong to its epoch."""

    @property
    def epoch(self) -> JudgeEpoch:
        """Everything that decides its verdicts."""

    @property
    def at_once(self) -> int | None:
        """Most items to hand over in one call of `judge`; None: as few as suits who stores the verdicts."""

    def judge(
        self, items: Sequence[JudgeItem], *, on_judgment: Callable[[Judgment], None] | None = None
    ) -> list[Judgment]:
        """One judgment per item in the same order; `on_judgment` gets each content's as soon as it is made.

        No item is ever left out: one without a verdict says why. Raises `JudgeRefused` when the
        judge cannot work at all.
        """


def make_judge(
    settings: JudgeSettings,
    *,
    curation: CurationSettings | None = None,
    rubric: str | Path | None = None,
    budget: Budget | None = None,
    batches: Batches | None = None,
) -> Judge:
    """The judge the settings name; make a new one for every run, as its budget lasts for one.

    ``curation`` hands the edit range and failure threshold to the rules judge. ``rubric`` replaces
    ``settings.rubric``, ``budget`` the limits of a run (the online judge has its own). With ``batches`` it
    asks as ``settings.mode`` says, else live. Raises `SettingsError`
    when the endpoint needs a key and none is set, or URL or rubric are unusable. Opens no connection.
    """
    if settings.kind == "rules":
        return RulesJudge(RuleThresholds.from_curation(curation) if curation else None)
    # The OpenAI package takes over a second to import, which commands that judge nothing should not pay.
    from curation.judge.openai_judge import OpenAIJudge

    asker = make_asker(settings, budget=budget or Budget(Limits.of_run(settings)), batches=batches)
    return OpenAIJudge(asker, load_rubric(rubric or settings.rubric))


def make_asker(
    settings: JudgeSettings,
    *,
    budget: Budget,
    where: JudgeEndpointSettings | None = None,
    batches: Batches | None = None,
) -> Asker:
    """Somebody who asks the judge's endpoint, or another one (``where``) with the same parameters.

    Who can wait for hours hands over ``batches``: then questions are asked as ``settings.mode`` says, else
    always live. Raises `SettingsError` when the endpoint needs a key and none is set, or its URL is unusable.
    """
    from curation.judge.asking import LiveAsker
    from curation.judge.endpoint import Endpoint
    from curation.judge.questions import ChatParameters, Instrument
    from curation.judge.session import RetryPolicy

    where = where or settings
    parameters = ChatParameters(
        model=where.model,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        timeout_seconds=settings.timeout_seconds,
    )
    retries = RetryPolicy(max_retries=settings.max_retries)
    live = LiveAsker(
        Instrument(endpoint=Endpoint.from_settings(where), parameters=parameters),
        budget=budget,
        prices=Prices.from_settings(where),
        retries=retries,
        concurrency=settings.concurrency,
    )
    if batches is None or settings.mode == "live":
        return live
    from curation.judge.batch import BatchAsker, Polling

    return BatchAsker(
        live,
        batches,
        prices=Prices.from_settings(where, share=settings.batch_price_share),
        retries=retries,
        polling=Polling(wait=settings.batch_wait_hours * 3600),
    )
