"""From one decoded event to the values of its bronze row, in the order of the table's columns."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from contracts import reasons
from contracts.errors import EventInvalid
from contracts.events import (
    Behavior,
    ConsentChanged,
    Deployment,
    Experiment,
    OutcomeRecorded,
    RequestLogged,
    Route,
    SignalObserved,
    Usage,
)
from contracts.messages import encode_messages, last_user_text, normalize, output_text
from contracts.validation import DAY
from joiners.light import PROMPT_CHARS, RESPONSE_CHARS
from streams.identity import Identity, fingerprint

_json = msgspec.json.Encoder(order="sorted").encode

_NO_BEHAVIOR: Final = Behavior()
_NO_USAGE: Final = Usage()
_NO_ROUTE: Final = Route()
_NO_DEPLOYMENT: Final = Deployment()
_NO_EXPERIMENT: Final = Experiment(name="")

_THUMBS: Final = {"up": 1.0, "down": -1.0}

Origin = tuple[int, int, int]
"""Kafka partition, offset, and broker timestamp in UTC microseconds."""


def _json_or_none(value: Any) -> str | None:
    return None if value is None else _json(value).decode()


def request_row(event: RequestLogged, time_us: int, origin: Origin, identity: Identity) -> tuple[Any, ...]:
    """Columns of `requests` followed by `prompt_text` and `response_text` of the light row."""
    inputs = normalize(event.input_messages, event.prompt, role="user", field="input_messages")
    outputs = normalize(event.output_messages, event.response, role="assistant", field="output_messages")
    prompt, response = last_user_text(inputs), output_text(outputs)
    session = event.session_id or event.request_id
    usage = event.usage or _NO_USAGE
    behavior = event.behavior or _NO_BEHAVIOR
    route = event.route or _NO_ROUTE
    deployment = event.deployment or _NO_DEPLOYMENT
    experiment = event.experiment or _NO_EXPERIMENT
    consent = event.consent
    return (
        False,
        *origin,
        event.event_id,
        event.request_id,
        session,
        identity.user_key(event.user_id) if event.user_id else None,
        time_us,
        time_us // DAY,
        event.feature,
        event.actor,
        identity.split(event.user_id or session),
        encode_messages(inputs) if inputs is not None else None,
        encode_messages(outputs) if outputs is not None else None,
        _json_or_none(event.tools),
        event.provider,
        event.model,
        _json_or_none(event.parameters),
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.reasoning_tokens,
        event.latency_ms,
        event.cost_usd,
        event.finish_reason,
        event.error_type,
        behavior.model_version,
        behavior.prompt_name,
        behavior.prompt_version,
        behavior.tools_hash,
        behavior.context_hash,
        behavior.agent_version,
        behavior.base_model,
        behavior.adapter,
        fingerprint(event.provider, event.model, event.behavior),
        route.router_version,
        route.route,
        route.candidates,
        route.predicted_difficulty,
        deployment.target,
        deployment.engine,
        deployment.quantization,
        deployment.region,
        experiment.name or None,
        experiment.variant,
        consent.scopes if consent else None,
        consent.policy_version if consent else None,
        event.license,
        _json_or_none(event.attributes),
        prompt[:PROMPT_CHARS] if prompt else None,
        response[:RESPONSE_CHARS] if response else None,
    )


def signal_row(event: SignalObserved, time_us: int, origin: Origin, identity: Identity) -> tuple[Any, ...]:
    """Columns of `signals`."""
    return (
        False,
        *origin,
        event.event_id,
        event.session_id,
        event.request_id,
        identity.user_key(event.user_id) if event.user_id else None,
        time_us,
        time_us // DAY,
        event.kind,
        _signal_value(event),
        event.text,
        event.surface,
        event.actor,
    )


def _signal_value(event: SignalObserved) -> float | None:
    value = event.value
    if value is None or type(value) is float:
        pass
    elif isinstance(value, bool):
        value = 1.0 if value else -1.0 if event.kind == "thumbs" else 0.0
    elif isinstance(value, str):
        if event.kind != "thumbs" or value not in _THUMBS:
            raise EventInvalid(
                reasons.SCHEMA, 'a number is needed (thumbs also take "up" and "down")', field="$.value"
            )
        value = _THUMBS[value]
    number = None if value is None else float(value)
    if event.kind == "thumbs" and number is not None:
        # Products that send 0/1 mean down/up; a thumb has no third position.
        return 1.0 if number > 0 else -1.0
    if event.kind in _NEEDS_VALUE and number is None:
        raise EventInvalid(reasons.SCHEMA, f"{event.kind} needs a value", field="$.value")
    if event.kind == "rating" and number is not None and not 1.0 <= number <= 5.0:
        raise EventInvalid(reasons.SCHEMA, "a rating lies between 1 and 5", field="$.value")
    return number


_NEEDS_VALUE: Final = frozenset({"rating", "dwell"})


def outcome_row(event: OutcomeRecorded, time_us: int, origin: Origin, _: Identity) -> tuple[Any, ...]:
    """Columns of `outcomes`."""
    return (
        False,
        *origin,
        event.event_id,
        event.session_id,
        event.request_id,
        time_us,
        time_us // DAY,
        event.kind,
        event.success,
        event.value,
        event.source,
        event.supersedes,
    )


def consent_row(event: ConsentChanged, time_us: int, origin: Origin, identity: Identity) -> tuple[Any, ...]:
    """Columns of `consents`."""
    return (
        False,
        *origin,
        event.event_id,
        identity.user_key(event.user_id),
        event.scope,
        event.granted,
        event.policy_version,
        time_us,
        time_us // DAY,
    )
