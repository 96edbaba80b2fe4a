"""The judge as an instrument: its epochs, calibrations and anchors, and what it leaves to people."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from contracts.tables.base import Table, Time, column, optional

TASKS = ["pointwise", "pairwise"]
VERDICTS = ["fail", "pass", "unsure"]
ANCHOR_ROLES = ["first", "second", "check"]
_UNIT: Final[dict[str, Any]] = {"ge": 0.0, "le": 1.0}


class JudgeEpochs(Table):
    """Every judge epoch this lake has seen, registered at its first use."""

    epoch: str = column("judge epoch: hash of everything that decides a verdict")
    judge: str = column("judge as named to people, e.g. rules or openai:gpt-4.1-mini")
    task: str = column("what it judges: one response, or which of two is better", isin=TASKS)
    kind: str = column("rules or openai")
    provider: str = column("provider of the model")
    base_url: str = column("endpoint without credentials; empty for the rules judge")
    model: str = column("model, or version of the rules")
    rubric: str = column("name@version of the rubric; empty for the rules judge")
    rubric_hash: str = column("hash of the rubric's text")
    prompt_hash: str = column("hash of the prompt templates")
    schema_hash: str = column("hash of the JSON schema of answers")
    parameters: str = column("parameters that decide verdicts, JSON object")
    first_seen: Time = column("clock time of its first use")


class Calibrations(Table):
    """One measurement of a judge epoch against gold labels; the newest conclusive one of an epoch counts."""

    calibration_id: str = column("hash of epoch, gold and time")
    epoch: str = column("judge epoch that was measured")
    judge: str = column("judge as named to people")
    gold_source: str = column("where the gold came from: gold_labels, annotations or the name of a file")
    gold_hash: str = column("hash of contents and labels of the gold set")
    gold_items: pl.Int64 = column("items of the gold set", ge=0)
    compared: pl.Int64 = column("items the judge decided (neither unsure nor unjudged)", ge=0)
    abstained: pl.Int64 = column("items the judge was unsure of", ge=0)
    unjudged: pl.Int64 = column("items without a verdict", ge=0)
    kappa: float = optional("Cohen's kappa with the gold labels")
    kappa_low: float = optional("lower bound of its 95 % interval")
    kappa_high: float = optional("upper bound of its 95 % interval")
    alpha: float = optional("Krippendorff's alpha with the gold labels, nominal")
    alpha_low: float = optional("lower bound of its 95 % interval")
    alpha_high: float = optional("upper bound of its 95 % interval")
    accuracy: float = optional("share of compared items with the gold label", **_UNIT)
    baseline: float = optional("accuracy of always answering the most frequent gold label", **_UNIT)
    threshold: float = column("judge.min_kappa in force")
    min_gold: pl.Int64 = column("judge.min_gold in force", ge=0)
    state: str = column("what followed by those settings", isin=["passed", "failed", "not_enough"])
    passed: bool = column("whether the judge may decide alone by those settings")
    fresh: bool = column("whether every item was asked anew, past the cache; drift is then seen from here on")
    report: str = column("everything measured, JSON without user text")
    measured_at: Time = column("clock time of the measurement")


class AnnotationTasks(Table):
    """Requests that people have to look at because no judge may, or can, decide; texts stay in `requests`."""

    task_id: str = column("hash of request, reason and epoch: routed for the same thing, once")
    request_id: str = column("request to be labelled")
    user_key: str = optional("pseudonym of the user")
    reason: str = column("why a person is needed, e.g. judge_unsure; see curation.refusal_words")
    priority: float = column("which to label first, 0 to 1, see curation.judge.tasks", **_UNIT)
    epoch: str = column("judge epoch that left it to people")
    feature: str = column("product feature of the request")
    failure_score: float = column("failure score at that time", **_UNIT)
    verdict: str = optional("what the judge said, if anything", isin=VERDICTS)
    drop_id: str = optional("drop it was first refused from; null for the online judge")
    created_at: Time = column("clock time of the routing")
    date: pl.Date = column("UTC day of created_at; partition of the table")


class Unjudged(Table):
    """Questions that a build of a drop put to judges without getting a verdict. With `judgments` they tell
    what every judge said in that build, whatever was judged later."""

    drop_id: str = column("drop that was built")
    build: str = column("hash of all such questions of the build; the drop's recipe names it")
    epoch: str = column("judge epoch that was asked")
    content_hash: str = column("hash of the judged content, as in `judgments`")
    request_id: str = column("request it was about")
    reason: str = column("why there is no verdict, see curation.judge.verdicts")


class JudgeAnchors(Table):
    """Items that are judged again and again to see a judge drift; they keep their own text, so that they
    outlive the retention of `requests`."""

    anchor_id: str = column("hash of the judged content")
    request_id: str = column("request, or item of a file, the anchor was made from")
    user_key: str = optional("pseudonym of the user; null for items of a file")
    feature: str = optional("product feature of the request")
    input_messages: str = column("the conversation as the judge sees it, stored form")
    output_messages: str = column("the response, stored form")
    tools: str = optional("tool definitions, JSON")
    evidence: str = column("the evidence as the judge sees it, JSON, numbers only")
    label: str = optional("gold label when it was added", isin=["fail", "pass"])
    source: str = column("where it came from: gold, or the name of a file")
    added_at: Time = column("clock time at which it was added")


class JudgeAnchorRuns(Table):
    """Verdicts on anchors, always asked anew; never part of the verdict cache."""

    run_id: str = column("hash of epoch and time of the run")
    epoch: str = column("judge epoch that was asked")
    judge: str = column("judge as named to people")
    anchor_id: str = column("anchor that was judged")
    asked: str = column(
        "first and second: the epoch's reference and its noise; check: later", isin=ANCHOR_ROLES
    )
    verdict: str = optional("the verdict; null when there was none", isin=VERDICTS)
    failure_kind: str = optional("kind of failure")
    confidence: float = optional("the judge's own confidence, 0 to 1", **_UNIT)
    unjudged: str = optional("why there is no verdict")
    input_tokens: pl.Int64 = column("tokens read", ge=0)
    output_tokens: pl.Int64 = column("tokens written", ge=0)
    cost_usd: float = column("price of the call, US dollars", ge=0)
    judged_at: Time = column("clock time of the run")
    date: pl.Date = column("UTC day of judged_at; partition of the table")
