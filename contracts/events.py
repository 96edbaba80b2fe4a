"""The events applications send, as msgspec Structs: the JSON contract of the four input topics.

Known fields are strict (wrong types are refused), unknown fields are ignored so that producers may
run ahead of us. JSON Schemas generated from these classes lie in `contracts/schemas/`
(`python -m contracts.schemas` writes them). Rules that JSON Schema cannot express are in
`contracts.validation`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

MAX_ID_CHARS: Final = 256

Id = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=MAX_ID_CHARS, description="non-empty, at most 256 characters"),
]
"""An identifier chosen by the producer."""

Timestamp = Annotated[
    str | int,
    msgspec.Meta(description="RFC 3339 with an offset, or milliseconds since 1970-01-01T00:00Z"),
]
"""Event time as it travels; stored as UTC microseconds."""

NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A count that fits the lake's 64-bit columns."""

Actor = Literal["user", "internal", "synthetic"]
"""Who caused the event: a real user, one of our own people, or a test/load generator."""

SignalKind = Literal[
    "thumbs",
    "rating",
    "comment",
    "edit",
    "copy",
    "accept",
    "undo",
    "regenerate",
    "retry",
    "dwell",
    "abandon",
    "escalate",
    "report",
]
"""What a user did. `thumbs` carries +1/-1 (or true/false, "up"/"down"), `rating` 1 to 5, `dwell`
milliseconds; `edit` and `comment` carry text."""

DeploymentTarget = Literal["cloud", "self_hosted", "edge"]


class _Event(msgspec.Struct, gc=False, omit_defaults=True):
    """Shared options: no cycles are possible, so the garbage collector need not track events."""


class Message(_Event, kw_only=True):
    """One chat message in the OpenTelemetry GenAI shape.

    Source: OpenTelemetry semantic conventions for GenAI, `gen_ai.input.messages` /
    `gen_ai.output.messages`. `parts` are objects with a `type`: `text` and `reasoning` carry
    `content`; `tool_call` carries `id`, `name`, `arguments`; `tool_call_response` carries `id`,
    `response`; other types are kept as they are. `content` is sugar for a single text part.
    """

    role: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    parts: list[dict[str, Any]] | None = None
    content: str | None = None
    name: str | None = None
    finish_reason: str | None = None


class Usage(_Event, kw_only=True):
    """Token counts as the provider reported them."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cached_input_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class Behavior(_Event, kw_only=True):
    """The layers that decide behaviour; their hash is the behaviour fingerprint."""

    model_version: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    tools_hash: str | None = None
    context_hash: str | None = None
    agent_version: str | None = None
    base_model: str | None = None
    adapter: str | None = None


class Route(_Event, kw_only=True):
    """What a model router decided, and between what."""

    router_version: str | None = None
    route: str | None = None
    candidates: list[str] | None = None
    predicted_difficulty: float | None = None


class Deployment(_Event, kw_only=True):
    """Where the model ran."""

    target: DeploymentTarget | None = None
    engine: str | None = None
    quantization: str | None = None
    region: str | None = None


class Experiment(_Event, kw_only=True):
    """The experiment arm the request was served in."""

    name: str
    variant: str | None = None


class Consent(_Event, kw_only=True):
    """Consent of the user as the application knew it when the request was made."""

    scopes: list[str]
    policy_version: str | None = None


class RequestLogged(_Event, kw_only=True):
    """One LLM call as the application logged it (topic `llm.requests`).

    Text comes either as `input_messages`/`output_messages` or as the strings `prompt`/`response`;
    without either the event is metadata only and can never become a training row.
    """

    event_id: Id
    request_id: Id
    session_id: Id | None = None
    user_id: Id | None = None
    occurred_at: Timestamp
    feature: Id
    actor: Actor = "user"
    schema_version: Literal[1] = 1
    input_messages: list[Message] | None = None
    output_messages: list[Message] | None = None
    prompt: str | None = None
    response: str | None = None
    tools: list[dict[str, Any]] | None = None
    provider: str | None = None
    model: str | None = None
    parameters: dict[str, Any] | None = None
    usage: Usage | None = None
    latency_ms: NonNegative | None = None
    cost_usd: NonNegative | None = None
    finish_reason: str | None = None
    error_type: str | None = None
    behavior: Behavior | None = None
    route: Route | None = None
    deployment: Deployment | None = None
    experiment: Experiment | None = None
    consent: Consent | None = None
    license: str | None = None
    attributes: dict[str, str] | None = None


class SignalObserved(_Event, kw_only=True):
    """Something a user did in the session (topic `user.signals`)."""

    event_id: Id
    session_id: Id
    request_id: Id | None = None
    user_id: Id | None = None
    occurred_at: Timestamp
    kind: SignalKind
    value: float | bool | str | None = None
    text: str | None = None
    surface: str | None = None
    actor: Actor = "user"
    schema_version: Literal[1] = 1


class OutcomeRecorded(_Event, kw_only=True):
    """What happened downstream, minutes to days later (topic `downstream.outcomes`).

    At least one of `session_id` and `request_id` is given. `success` is null while the result is
    unknown. `supersedes` names the `event_id` of an earlier outcome that this one replaces.
    """

    event_id: Id
    session_id: Id | None = None
    request_id: Id | None = None
    occurred_at: Timestamp
    kind: Id
    success: bool | None = None
    value: float | None = None
    source: str | None = None
    supersedes: Id | None = None
    schema_version: Literal[1] = 1


class ConsentChanged(_Event, kw_only=True):
    """A user granted or revoked one scope (topic `consent.events`)."""

    event_id: Id
    user_id: Id
    scope: Id
    granted: bool
    policy_version: str | None = None
    occurred_at: Timestamp
    schema_version: Literal[1] = 1


Event = RequestLogged | SignalObserved | OutcomeRecorded | ConsentChanged
"""Any event of the four input topics."""
