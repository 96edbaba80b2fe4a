"""Items and judges for the tests."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from contracts.messages import text_message
from contracts.settings import JudgeSettings
from curation.judge.asking import LiveAsker
from curation.judge.budget import Budget, Limits, Prices
from curation.judge.endpoint import Endpoint
from curation.judge.openai_judge import OpenAIJudge
from curation.judge.pairwise import Candidate, Comparison, PairwiseJudge
from curation.judge.questions import ChatParameters, Instrument
from curation.judge.rubrics import load_rubric
from curation.judge.session import RetryPolicy
from curation.judge.verdicts import Evidence, JudgeItem

KEY = "sk-secret-key"


def item(n: int = 1, text: str = "", **evidence: Any) -> JudgeItem:
    """An item whose user text carries the marker `item-<n>`; keyword arguments are its features."""
    score = evidence.pop("score", 0.8)
    return JudgeItem(
        request_id=f"r{n}",
        input_messages=[text_message("user", f"item-{n} where is my order? {text}")],
        output_messages=[text_message("assistant", "It is order 4711.")],
        evidence=Evidence(failure_score=score, contributions={"regenerate": 1.1}, features=evidence),
    )


def openai_judge(base_url: str, **changes: Any) -> OpenAIJudge:
    """A judge against a test server, with short waits."""
    rubric = changes.pop("rubric", None) or load_rubric()
    return OpenAIJudge(live_asker(base_url, **changes), rubric)


def pairwise_judge(base_url: str, **changes: Any) -> PairwiseJudge:
    """A pairwise judge against a test server, with short waits."""
    rubric = changes.pop("rubric", None) or load_rubric("pairwise", task="pairwise")
    return PairwiseJudge(live_asker(base_url, **changes), rubric)


def comparison(n: int = 1, a: str = "It is lost.", b: str = "It is order 4711.", **fields: Any) -> Comparison:
    """A comparison whose user text carries the marker `item-<n>`."""
    return Comparison(
        request_id=f"r{n}",
        prompt=[text_message("user", f"item-{n} where is my order?")],
        a=Candidate(messages=[text_message("assistant", a)], author=f"judge:r{n}", model="fake"),
        b=Candidate(messages=[text_message("assistant", b)], author=f"r{n}", model="writer"),
        **fields,
    )


def live_asker(base_url: str, **changes: Any) -> LiveAsker:
    """Somebody who asks a test server, with short waits."""
    settings = JudgeSettings(
        kind="openai", base_url=base_url, api_key=SecretStr(KEY), model=changes.pop("model", "fake")
    )
    return LiveAsker(
        Instrument(
            endpoint=Endpoint.from_settings(settings),
            parameters=ChatParameters(
                model=settings.model,
                temperature=changes.pop("temperature", 0.0),
                max_tokens=300,
                timeout_seconds=changes.pop("timeout_seconds", 5.0),
            ),
        ),
        budget=Budget(
            Limits(
                calls=changes.pop("max_calls", 10_000),
                tokens=changes.pop("max_total_tokens", None),
                cost_usd=changes.pop("max_cost_usd", None),
            )
        ),
        prices=Prices(input_per_million=1.0, output_per_million=4.0),
        retries=RetryPolicy(
            max_retries=changes.pop("max_retries", 4), backoff_seconds=0.01, max_backoff_seconds=0.1
        ),
        concurrency=changes.pop("concurrency", 8),
    )
