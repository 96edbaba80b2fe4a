"""Bronze: one row per consumed message, as it came, append-only."""

from __future__ import annotations

import polars as pl

from contracts.tables.base import Logged, Strings, Table, Time, column, optional


class Requests(Logged):
    """LLM calls; the only bronze table that holds prompts and responses."""

    event_id: str = column("id of the event, chosen by the producer")
    request_id: str = column("id of the LLM call")
    session_id: str = column("session of the call; the request id when the application has no sessions")
    user_key: str = optional("pseudonym of the user (keyed hash of the user id)")
    occurred_at: Time = column("when the call was made")
    date: pl.Date = column("UTC day of occurred_at; partition of the table")
    feature: str = column("product feature the call served")
    actor: str = column("user, internal or synthetic")
    split: str = column("train or held_out, by keyed hash of the user (else session)")
    input_messages: str = optional("input messages, canonical JSON in OpenTelemetry GenAI shape")
    output_messages: str = optional("output messages, canonical JSON in OpenTelemetry GenAI shape")
    tools: str = optional("tool definitions offered to the model, JSON")
    provider: str = optional("model provider")
    model: str = optional("model name as requested")
    parameters: str = optional("sampling parameters, JSON")
    input_tokens: pl.Int64 = optional("input tokens")
    output_tokens: pl.Int64 = optional("output tokens")
    cached_input_tokens: pl.Int64 = optional("input tokens served from the provider's cache")
    reasoning_tokens: pl.Int64 = optional("output tokens spent on reasoning")
    latency_ms: float = optional("duration of the call, milliseconds")
    cost_usd: float = optional("price of the call, US dollars")
    finish_reason: str = optional("why generation stopped, as the provider said")
    error_type: str = optional("error class when the call failed")
    model_version: str = optional("exact model version served")
    prompt_name: str = optional("name of the prompt template")
    prompt_version: str = optional("version of the prompt template")
    tools_hash: str = optional("hash of the tool definitions")
    context_hash: str = optional("hash of the runtime context (retrieval index, flags)")
    agent_version: str = optional("version of the agent code")
    base_model: str = optional("base model under an adapter")
    adapter: str = optional("adapter (fine-tune) name")
    fingerprint: str = column("behaviour fingerprint: hash of the layers that decide behaviour")
    router_version: str = optional("version of the model router")
    route: str = optional("route the router chose")
    route_candidates: Strings = optional("routes the router chose between")
    predicted_difficulty: float = optional("difficulty the router predicted")
    deployment_target: str = optional("cloud, self_hosted or edge")
    engine: str = optional("serving engine")
    quantization: str = optional("quantization of the weights")
    region: str = optional("region the call was served in")
    experiment: str = optional("experiment name")
    variant: str = optional("experiment arm")
    consent_scopes: Strings = optional(
        "scopes the user had granted when the call was made; null: not recorded"
    )
    consent_policy_version: str = optional("policy version of that consent")
    license: str = optional("licence of the content")
    attributes: str = optional("free attributes, JSON object of strings")


class Signals(Logged):
    """What users did."""

    event_id: str = column("id of the event, chosen by the producer")
    session_id: str = column("session the signal belongs to")
    request_id: str = optional("request the application tied it to")
    user_key: str = optional("pseudonym of the user")
    occurred_at: Time = column("when it happened")
    date: pl.Date = column("UTC day of occurred_at; partition of the table")
    kind: str = column("what the user did, see contracts.events.SignalKind")
    value: float = optional("thumbs: 1 or -1; rating: 1 to 5; dwell: milliseconds")
    text: str = optional("edited text or comment")
    surface: str = optional("where in the product")
    actor: str = column("user, internal or synthetic")


class Outcomes(Logged):
    """What happened downstream."""

    event_id: str = column("id of the event, chosen by the producer")
    session_id: str = optional("session the outcome belongs to")
    request_id: str = optional("request the outcome belongs to")
    occurred_at: Time = column("when it happened")
    date: pl.Date = column("UTC day of occurred_at; partition of the table")
    kind: str = column("what happened, chosen by the producer")
    success: bool = optional("whether it speaks for the response; null: not known yet")
    value: float = optional("size of the outcome in its own unit")
    source: str = optional("system that reported it")
    supersedes: str = optional("event id of the outcome this one replaces")


class Consents(Logged):
    """Grants and revocations."""

    event_id: str = column("id of the event, chosen by the producer")
    user_key: str = column("pseudonym of the user")
    scope: str = column("what is allowed, e.g. training")
    granted: bool = column("true: granted, false: revoked")
    policy_version: str = optional("policy the user saw")
    occurred_at: Time = column("when the user decided")
    date: pl.Date = column("UTC day of occurred_at; partition of the table")


class DeadLetters(Table):
    """Messages that could not be used, with the reason and the original bytes."""

    topic: str = column("topic the message came from")
    partition: pl.Int32 = column("Kafka partition", ge=0)
    offset: pl.Int64 = column("Kafka offset in that partition", ge=0)
    received_at: Time = column("broker's timestamp of the message")
    date: pl.Date = column("UTC day of received_at; partition of the table")
    reason: str = column("reason code, see contracts.reasons")
    field: str = column("JSON path of the offending field; empty when the whole value is meant")
    detail: str = column("what was wrong, without user text")
    key: bytes = optional("original key")
    value: bytes = optional("original value")
