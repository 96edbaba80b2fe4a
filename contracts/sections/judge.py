"""Settings of judges: where they are, how far they are trusted, what they may spend."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from contracts.sections.base import Section


class JudgeEndpointSettings(Section):
    """An LLM judge: where it is, which model, what it charges."""

    base_url: str | None = Field(
        None, description="OpenAI-compatible endpoint, e.g. http://127.0.0.1:8080/v1"
    )
    api_key: SecretStr | None = Field(None, description="key of the endpoint")
    model: str = Field("gpt-4.1-mini", description="judge model")
    input_usd_per_million: float = Field(
        0.0, ge=0, description="price of a million tokens read, US dollars; 0: not known"
    )
    output_usd_per_million: float = Field(
        0.0, ge=0, description="price of a million tokens written, US dollars; 0: not known"
    )


class JudgeSettings(JudgeEndpointSettings):
    """Who confirms failures, how far it is trusted, and what it may spend."""

    kind: Literal["rules", "openai"] = Field("rules", description="evidence rules, or an LLM endpoint")
    panel: list[JudgeEndpointSettings] = Field(
        default_factory=list,
        description="further LLM judges beside the one above: rows they do not agree on go to people",
    )
    mode: Literal["live", "batch"] = Field(
        "live", description="how nightly questions are asked: one by one, or through the Batch API"
    )
    rubric: str = Field("default", description="rubric: the name of a shipped one, or the path of a .md file")
    rubrics: dict[str, str] = Field(
        default_factory=dict, description="rubrics of single features, by feature; the others use `rubric`"
    )
    temperature: float = Field(0.0, ge=0, le=2, description="sampling temperature")
    max_tokens: int = Field(800, ge=16, description="longest verdict, tokens")
    timeout_seconds: float = Field(60, gt=0, description="longest wait for one answer, seconds")
    max_retries: int = Field(4, ge=0, description="retries of a transient failure, per call")
    concurrency: int = Field(
        8, ge=1, le=256, description="most calls in flight; fewer while told to slow down"
    )
    max_calls: int = Field(2_000, ge=0, description="most calls in one run; the rest stays unjudged")
    max_total_tokens: int | None = Field(
        None, ge=0, description="most tokens, read and written, in one run; none given: no limit"
    )
    max_cost_usd: float | None = Field(
        None, ge=0, description="most money in one run, US dollars (needs prices); none given: no limit"
    )
    online_calls_per_hour: int = Field(200, ge=0, description="budget of the online judge, calls")
    online_tokens_per_hour: int | None = Field(
        None, ge=0, description="budget of the online judge, tokens; none given: no limit"
    )
    online_cost_per_hour_usd: float | None = Field(
        None, ge=0, description="budget of the online judge, US dollars; none given: no limit"
    )
    batch_price_share: float = Field(
        0.5, ge=0, le=1, description="what a call through the Batch API costs, as share of the price"
    )
    batch_wait_hours: float = Field(
        12,
        ge=0,
        description="longest wait for batches in one run; what is not there then, a later run fetches",
    )
    alone: Literal["calibrated", "always"] = Field(
        "calibrated",
        description="when an LLM judge decides by itself: once calibrated (until then the evidence must say "
        "the same), or at once",
    )
    min_kappa: float = Field(
        0.6,
        ge=-1,
        le=1,
        description="lower bound (95 %) of Cohen's kappa with gold labels that a judge must reach",
    )
    min_gold: int = Field(50, ge=2, description="fewest gold labels that calibrate a judge")
    same_family: Literal["flag", "refuse"] = Field(
        "flag", description="what to do when a judge rates text of its own model family"
    )
    rewrites: bool = Field(
        True,
        description="whether improvements the judge writes may become pairs (both orders must prefer them)",
    )
    compare: Literal["rewrites", "all"] = Field(
        "rewrites",
        description="pairs the judge compares: those with its own text, or all, for their margins",
    )
