"""Keyword arguments of the emitter's methods, for type checkers and editors.

They mirror the Structs of `contracts.events`; a test keeps them in step. `event_id` and `occurred_at`
may be left out, nested objects given as Structs or as dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from contracts.events import (
    Actor,
    Behavior,
    Consent,
    Deployment,
    Experiment,
    Message,
    Route,
    SignalKind,
    Usage,
)

Moment = datetime | str | int
"""A timezone-aware datetime, RFC 3339 with an offset, or milliseconds since 1970."""

Object = Mapping[str, Any]


class RequestFields(TypedDict, total=False):
    """Fields of `contracts.events.RequestLogged`."""

    event_id: str | None
    request_id: str
    session_id: str | None
    user_id: str | None
    occurred_at: Moment | None
    feature: str
    actor: Actor
    schema_version: int
    input_messages: Sequence[Message | Object] | None
    output_messages: Sequence[Message | Object] | None
    prompt: str | None
    response: str | None
    tools: Sequence[Object] | None
    provider: str | None
    model: str | None
    parameters: Object | None
    usage: Usage | Object | None
    latency_ms: float | None
    cost_usd: float | None
    finish_reason: str | None
    error_type: str | None
    behavior: Behavior | Object | None
    route: Route | Object | None
    deployment: Deployment | Object | None
    experiment: Experiment | Object | None
    consent: Consent | Object | None
    license: str | None
    attributes: Mapping[str, str] | None


class SignalFields(TypedDict, total=False):
    """Fields of `contracts.events.SignalObserved`."""

    event_id: str | None
    session_id: str
    request_id: str | None
    user_id: str | None
    occurred_at: Moment | None
    kind: SignalKind
    value: float | bool | str | None
    text: str | None
    surface: str | None
    actor: Actor
    schema_version: int


class OutcomeFields(TypedDict, total=False):
    """Fields of `contracts.events.OutcomeRecorded`."""

    event_id: str | None
    session_id: str | None
    request_id: str | None
    occurred_at: Moment | None
    kind: str
    success: bool | None
    value: float | None
    source: str | None
    supersedes: str | None
    schema_version: int


class ConsentFields(TypedDict, total=False):
    """Fields of `contracts.events.ConsentChanged`."""

    event_id: str | None
    user_id: str
    scope: str
    granted: bool
    policy_version: str | None
    occurred_at: Moment | None
    schema_version: int
