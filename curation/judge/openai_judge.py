"""The pointwise LLM judge: one verdict per interaction, through any asker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from curation.judge.answers import Answer, VerdictForm
from curation.judge.prompt import build_messages, prompt_hash
from curation.judge.questions import Asker, Outcome, Question
from curation.judge.rubrics import Rubric
from curation.judge.verdicts import JudgeItem, Judgment, Spend, Verdict


class OpenAIJudge:
    """Judges through chat completions with structured output. Items with the same content are judged once."""

    def __init__(self, asker: Asker, rubric: Rubric) -> None:
        self.asker = asker
        self._rubric = rubric
        self._form = VerdictForm.for_taxonomy(rubric.taxonomy)
        self.epoch = asker.instrument.epoch(rubric, prompt_hash=prompt_hash(), form=self._form)

    def __repr__(self) -> str:
        return f"OpenAIJudge({self.epoch.name!r}, epoch={self.epoch.id!r})"

    @property
    def at_once(self) -> int | None:
        """Most items to hand over in one call of `judge`, see `Judge`."""
        return self.asker.at_once

    def question(self, item: JudgeItem) -> Question[Answer]:
        """What is asked about an item."""
        return Question(key=item.content_hash, messages=build_messages(item, self._rubric), form=self._form)

    def judge(
        self, items: Sequence[JudgeItem], *, on_judgment: Callable[[Judgment], None] | None = None
    ) -> list[Judgment]:
        """One judgment per item in the same order, see `Judge`.

        Items that could not be judged, or for which no budget is left, come back unjudged with the reason.
        Raises `JudgeRefused` when the endpoint rejects key or model before any item was judged; later on the
        verdicts paid for are returned and the rest is unjudged (`endpoint_refused`).
        """
        distinct = {item.content_hash: item for item in reversed(items)}
        order = list(dict.fromkeys(item.content_hash for item in items))

        def tell(outcome: Outcome[Answer]) -> None:
            if on_judgment is not None:
                on_judgment(self.judgment(distinct[outcome.key], outcome))

        outcomes = self.asker.ask([self.question(distinct[key]) for key in order], on_outcome=tell)
        done = {o.key: self.judgment(distinct[o.key], o) for o in outcomes}
        return _in_order(items, done)

    def judgment(self, item: JudgeItem, outcome: Outcome[Answer]) -> Judgment:
        """What an outcome says of an item."""
        return Judgment(
            request_id=item.request_id,
            content_hash=item.content_hash,
            epoch=self.epoch.id,
            verdict=None if outcome.answer is None else _verdict(outcome.answer, outcome.spent),
            reason=outcome.reason,
            detail=outcome.detail,
            spent=outcome.spent,
        )


def _verdict(answer: Answer, spent: Spend) -> Verdict:
    return Verdict(
        verdict=answer.verdict,
        confidence=answer.confidence,
        failure_kind=answer.failure_kind,
        severity=answer.severity,
        rationale=answer.rationale,
        improved_response=answer.improved_response or None,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost_usd=spent.cost_usd,
    )


def _in_order(items: Sequence[JudgeItem], done: dict[str, Judgment]) -> list[Judgment]:
    """One judgment per item; what was spent is booked on the first of several equal items."""
    seen: set[str] = set()
    judgments = []
    for item in items:
        judgment = replace(done[item.content_hash], request_id=item.request_id)
        if item.content_hash in seen:
            judgment = replace(judgment, spent=Spend())
        seen.add(item.content_hash)
        judgments.append(judgment)
    return judgments
