"""Silver: requests joined with their evidence, and what judges and people said of them."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from contracts.tables.base import Contributions, Strings, Table, Time, column, optional

FINISH_CLASSES = ["ok", "error", "refusal", "truncated", "filtered", "empty"]
EDIT_CLASSES = ["cosmetic", "corrective", "opposite", "rewrite"]
JUDGE_TASKS = ["pointwise", "pairwise"]
FAILURE_HINTS = ["factual", "preference", "operational", "unknown"]
UNIT: Final[dict[str, Any]] = {"ge": 0.0, "le": 1.0}


class Interactions(Table):
    """One request joined with its signals and outcomes; the highest revision is current.

    No text: prompts and responses stay in `requests`. A null feature was not observed, which is
    never the same as zero.
    """

    request_id: str = column("id of the LLM call")
    revision: pl.Int32 = column("1 for the stream's first answer, then one more per correction", ge=1)
    session_id: str = column("session of the call")
    user_key: str = optional("pseudonym of the user")
    occurred_at: Time = column("when the call was made")
    date: pl.Date = column("UTC day of occurred_at; partition of the table")
    feature: str = column("product feature the call served")
    actor: str = column("user, internal or synthetic")
    split: str = column("train or held_out")
    provider: str = optional("model provider")
    model: str = optional("model name")
    model_version: str = optional("exact model version served")
    prompt_name: str = optional("name of the prompt template")
    prompt_version: str = optional("version of the prompt template")
    fingerprint: str = column("behaviour fingerprint")
    route: str = optional("route the router chose")
    experiment: str = optional("experiment name")
    variant: str = optional("experiment arm")
    deployment_target: str = optional("cloud, self_hosted or edge")
    region: str = optional("region the call was served in")
    latency_ms: float = optional("duration of the call, milliseconds")
    cost_usd: float = optional("price of the call, US dollars")
    input_tokens: pl.Int64 = optional("input tokens")
    output_tokens: pl.Int64 = optional("output tokens")
    finish_reason: str = optional("why generation stopped, as the provider said")
    error_type: str = optional("error class when the call failed")
    partition: pl.Int32 = column("Kafka partition of the request", ge=0)
    offset: pl.Int64 = column("Kafka offset of the request", ge=0)

    finish_class: str = column("how the call ended", isin=FINISH_CLASSES)
    has_output: bool = optional("the response was logged with its text")
    unfinished: bool = optional("the response breaks off: mid-sentence or inside a code block")
    has_thumbs: bool = column("thumbs were given")
    thumbs: float = optional("mean of the thumbs, -1 to 1", ge=-1.0, le=1.0)
    has_rating: bool = column("a rating was given")
    rating: float = optional("mean rating, 1 to 5")
    has_edit: bool = column("the user edited the response")
    edit_ratio: float = optional(
        "normalized Levenshtein distance between response and last edit, 0 to 1", **UNIT
    )
    edit_class: str = optional(
        "cosmetic, corrective, opposite (turned round) or rewrite, see joiners.edits", isin=EDIT_CLASSES
    )
    has_regenerate: bool = column("the user asked for another answer")
    regenerate_count: pl.Int32 = column("regenerations asked for", ge=0)
    has_retry: bool = column("the user asked the same again")
    retry_count: pl.Int32 = column("retry signals, plus one when the next prompt is the same text", ge=0)
    follow_up_count: pl.Int32 = optional("later requests of the session within the horizon", ge=0)
    has_rephrase: bool = column("the session has a next prompt to compare with")
    rephrase_similarity: float = optional(
        "similarity of the session's next prompt to this one, 0 to 1", **UNIT
    )
    rephrase_chain: pl.Int32 = optional(
        "prompts in a row after this one, within the horizon, that ask the same again", ge=0
    )
    has_undo: bool = column("the user undid the response's effect")
    undo_count: pl.Int32 = column("undo signals", ge=0)
    has_copy: bool = column("the user copied the response")
    copy_count: pl.Int32 = column("copy signals", ge=0)
    has_accept: bool = column("the user accepted the response")
    accept_count: pl.Int32 = column("accept signals", ge=0)
    has_dwell: bool = column("reading time was measured")
    dwell_ms: float = optional("reading time, milliseconds")
    has_abandon: bool = column("whether abandonment could be observed at all")
    abandoned: bool = optional("left without follow-up and without positive evidence, or said so")
    has_escalate: bool = column("the user asked for a human")
    escalate_count: pl.Int32 = column("escalations", ge=0)
    has_report: bool = column("the user reported the response")
    report_count: pl.Int32 = column("reports", ge=0)
    has_outcome: bool = column("a downstream outcome with a known result was observed")
    outcome_success: float = optional("share of known outcomes that speak for the response", **UNIT)
    outcome_count: pl.Int32 = column("downstream outcomes with a known result", ge=0)

    next_request_id: str = optional("the session's next request, when it came within the horizon")
    signal_ids: Strings = column("event ids of the signals joined")
    outcome_ids: Strings = column("event ids of the outcomes joined, replaced ones included")
    evidence_until: Time = column(
        "latest event time among the request, its evidence and the session's requests within the horizon"
    )
    late: bool = column("the request came after its window had passed; neighbours may need settling again")
    settled_at: Time = column("clock time at which this revision was made")

    failure_score: float = column("probability of failure given the evidence, 0 to 1", **UNIT)
    contributions: Contributions = column("what each piece of evidence adds to the log-odds of failure")
    disagreement: float = optional(
        "how far the evidence contradicts itself, 0 to 1, see curation.scoring", **UNIT
    )
    failure_hint: str = column("kind of failure the evidence points to", isin=FAILURE_HINTS)
    score_version: str = column("hash of the weights that made the score")


class Judgments(Table):
    """Verdicts, one per judged content and judge epoch; also the verdict cache."""

    epoch: str = column("judge epoch: hash of everything that decides a verdict")
    content_hash: str = column("hash of the judged content and its evidence")
    request_id: str = column("request that was judged first with this content")
    origin: str = optional(
        "who asked: the online judge, a nightly build, a calibration",
        isin=["online", "nightly", "calibration"],
    )
    calls: pl.Int32 = optional("calls that may have been billed for it, retries and repairs included", ge=0)
    judge: str = column("judge as named to people, e.g. rules or openai:gpt-4.1-mini")
    verdict: str = column(
        "the verdict: fail, pass or unsure of one response; first, second or tie of two, by the place shown",
        isin=["fail", "pass", "unsure", "first", "second", "tie"],
    )
    failure_kind: str = optional("kind of failure, see curation.judge.verdicts")
    severity: pl.Int32 = optional("1 (cosmetic) to 5 (harmful)", ge=1, le=5)
    confidence: float = column("the judge's own confidence, 0 to 1", **UNIT)
    rationale: str = optional("why")
    improved_response: str = optional("a better response, when the judge wrote one")
    input_tokens: pl.Int64 = column("tokens read, 0 for the rules judge", ge=0)
    output_tokens: pl.Int64 = column("tokens written", ge=0)
    cost_usd: float = column("price of the call, US dollars", ge=0)
    task: str = optional(
        "pointwise, or pairwise: one order of a comparison; null says pointwise",
        isin=["pointwise", "pairwise"],
    )
    pair_hash: str = optional("hash that both orders of a comparison share")
    first_chars: pl.Int64 = optional("length of the response shown first, characters", ge=0)
    second_chars: pl.Int64 = optional("length of the response shown second, characters", ge=0)
    first_model: str = optional("model that wrote the response shown first; null for people and unknown ones")
    second_model: str = optional("model that wrote the response shown second, as above")
    strength: pl.Int32 = optional("how much better: 1 slightly, 2 clearly, 3 much; null: tie", ge=1, le=3)
    judged_at: Time = column("clock time of the verdict")
    date: pl.Date = column("UTC day of judged_at; partition of the table")


class Annotations(Table):
    """What people said of items: append-only label history."""

    annotation_id: str = column("id of the label event")
    request_id: str = column("request that was labelled")
    annotator: str = column("pseudonym of the annotator")
    guideline_version: str = column("guideline the annotator worked by")
    label: str = column("the label", isin=["fail", "pass", "unsure"])
    failure_kind: str = optional("kind of failure")
    severity: pl.Int32 = optional("1 to 5", ge=1, le=5)
    corrected_response: str = optional("what the response should have been")
    note: str = optional("free remark")
    supersedes: str = optional("annotation this one replaces")
    labelled_at: Time = column("when the label was given")
    date: pl.Date = column("UTC day of labelled_at; partition of the table")


class GoldLabels(Table):
    """Adjudicated labels: the reference judges and annotators are measured against."""

    request_id: str = column("request the label is of")
    label: str = column("the adjudicated label", isin=["fail", "pass"])
    failure_kind: str = optional("kind of failure")
    source: str = column("how it was decided: adjudication, import, consensus, single")
    annotation_ids: Strings = column("label events behind it")
    guideline_version: str = column("guideline in force")
    snapshot: str = column("label snapshot it belongs to")
    withdrawn: bool = optional("true: people came to disagree, and the request has no gold label any more")
    labelled_at: Time = column("when it was decided")
    date: pl.Date = column("UTC day of labelled_at; partition of the table")
