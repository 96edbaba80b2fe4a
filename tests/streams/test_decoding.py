"""Every message becomes a row or a dead letter with its reason; none stops the worker."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import reasons
from contracts.settings import KafkaSettings
from contracts.tables import frame_schema, validate
from streams.decoding import Decoded, Decoder, RawMessage
from streams.identity import Identity
from tests.factories import (
    START,
    START_US,
    consent_event,
    message,
    outcome_event,
    request_event,
    signal_event,
    without,
)

KAFKA = KafkaSettings(max_value_bytes=4096)
TOPICS = {
    "requests": KAFKA.requests_topic,
    "signals": KAFKA.signals_topic,
    "outcomes": KAFKA.outcomes_topic,
    "consents": KAFKA.consents_topic,
}


def decode(*messages: RawMessage) -> Decoded:
    decoder = Decoder(KAFKA, Identity(b"key", held_out_share=0.1))
    decoder.feed(messages, now_us=START_US)
    assert len(decoder) == len(messages)
    return decoder.take()


def row(kind: str, event: dict[str, Any]) -> dict[str, Any]:
    decoded = decode(message(TOPICS[kind], event, offset=7, partition=3))
    assert decoded.dead_letters.rows() == []
    bronze = decoded.frames[kind].select(list(frame_schema(kind)))
    return validate(kind, bronze).row(0, named=True)


def refusal(kind: str, value: Any) -> tuple[str, str]:
    decoded = decode(message(TOPICS[kind], value))
    assert all(frame.is_empty() for frame in decoded.frames.values())
    return decoded.dead_letters.select("reason", "field").row(0)


def nested(depth: int, field: str) -> bytes:
    event = json.dumps(request_event(**{field: {"a": "HERE"}}))
    return event.replace('"HERE"', "[" * depth + "]" * depth).encode()


GOOD = msgspec.json.encode(request_event())
BAD: list[tuple[str, Any, str, str]] = [
    ("requests", None, reasons.TOMBSTONE, ""),
    ("requests", b"", reasons.MALFORMED_JSON, ""),
    ("requests", b"{", reasons.MALFORMED_JSON, ""),
    ("requests", b"null", reasons.SCHEMA, ""),
    ("requests", b"[]", reasons.SCHEMA, ""),
    ("requests", b'"text"', reasons.SCHEMA, ""),
    ("requests", GOOD + b"}", reasons.MALFORMED_JSON, ""),
    ("requests", GOOD[:-5], reasons.MALFORMED_JSON, ""),
    ("requests", b"\0" * 8, reasons.MALFORMED_JSON, ""),
    ("requests", GOOD.replace(b"search", b"sear\xff"), reasons.INVALID_UTF8, ""),
    ("requests", GOOD.replace(b'"search"', b'"\\ud800"'), reasons.MALFORMED_JSON, ""),
    ("requests", nested(100_000, "parameters")[:4000], reasons.TOO_DEEP, ""),
    ("requests", nested(1500, "parameters"), reasons.TOO_DEEP, ""),
    ("requests", nested(1500, "unknown"), reasons.TOO_DEEP, ""),
    ("requests", request_event(prompt="x" * 4096), reasons.TOO_LARGE, ""),
    ("requests", without(request_event(), "event_id"), reasons.SCHEMA, ""),
    ("requests", request_event(event_id=""), reasons.SCHEMA, "$.event_id"),
    ("requests", request_event(session_id=7), reasons.SCHEMA, "$.session_id"),
    ("requests", request_event(event_id="e", request_id="a\0b"), reasons.CONTROL_CHARACTER, "$.request_id"),
    ("requests", request_event(latency_ms="fast"), reasons.SCHEMA, "$.latency_ms"),
    ("requests", request_event(usage={"input_tokens": 2**63}), reasons.SCHEMA, "$.usage.input_tokens"),
    ("requests", request_event(usage={"output_tokens": 10**30}), reasons.SCHEMA, "$.usage.output_tokens"),
    ("requests", request_event(occurred_at="soon"), reasons.TIME_FORMAT, "$.occurred_at"),
    ("requests", request_event(occurred_at=1), reasons.TIME_RANGE, "$.occurred_at"),
    ("requests", request_event(seconds=86_401), reasons.TIME_RANGE, "$.occurred_at"),
    ("requests", request_event(input_messages=[]), reasons.AMBIGUOUS_TEXT, "$.input_messages"),
    ("signals", without(signal_event(), "session_id"), reasons.SCHEMA, ""),
    ("signals", signal_event(kind="applause"), reasons.SCHEMA, "$.kind"),
    ("signals", signal_event(kind="rating"), reasons.SCHEMA, "$.value"),
    ("signals", signal_event(kind="rating", value=6), reasons.SCHEMA, "$.value"),
    ("signals", signal_event(kind="rating", value="5"), reasons.SCHEMA, "$.value"),
    ("signals", signal_event(kind="thumbs", value="sideways"), reasons.SCHEMA, "$.value"),
    ("signals", signal_event(kind="dwell"), reasons.SCHEMA, "$.value"),
    ("outcomes", without(outcome_event(), "session_id"), reasons.NO_TARGET, "$.session_id"),
    ("outcomes", outcome_event(success="yes"), reasons.SCHEMA, "$.success"),
    ("consents", without(consent_event(), "user_id"), reasons.SCHEMA, ""),
]


@pytest.mark.parametrize(("kind", "value", "reason", "field"), BAD)
def test_bad_input_ends_as_a_dead_letter_with_its_reason(
    kind: str, value: Any, reason: str, field: str
) -> None:
    assert refusal(kind, value) == (reason, field)


def test_dead_letters_keep_the_message_as_it_was() -> None:
    found = decode(RawMessage(TOPICS["signals"], 3, 42, START_US, b"k\xff", b"\xfe{")).dead_letters
    kept = validate("dead_letters", found).row(0, named=True)
    assert (kept["topic"], kept["partition"], kept["offset"]) == (TOPICS["signals"], 3, 42)
    assert (kept["key"], kept["value"], kept["received_at"]) == (b"k\xff", b"\xfe{", START)
    assert kept["date"] == START.date()
    tombstone = decode(message(TOPICS["signals"], None)).dead_letters
    assert tombstone["value"].to_list() == [None]


@given(st.binary(max_size=200) | st.text().map(str.encode), st.sampled_from(sorted(TOPICS)))
def test_no_bytes_raise(value: bytes, kind: str) -> None:
    assert decode(message(TOPICS[kind], value)).dead_letters["value"].to_list() == [value]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_EVENTS = {
    "requests": (
        request_event,
        "usage route deployment behavior consent tools parameters attributes latency_ms",
    ),
    "signals": (signal_event, "value text surface kind request_id"),
    "outcomes": (outcome_event, "value success source supersedes"),
}


@given(st.sampled_from(sorted(_EVENTS)), st.data())
def test_no_field_value_raises(kind: str, data: st.DataObject) -> None:
    make, fields = _EVENTS[kind]
    field = data.draw(st.sampled_from(fields.split()))
    value = json.dumps(make(**{field: data.draw(_json)})).encode()
    decoded = decode(message(TOPICS[kind], value))
    assert decoded.dead_letters.height + decoded.frames[kind].height == 1
    validate(kind, decoded.frames[kind].select(list(frame_schema(kind))))


def test_a_bad_message_does_not_take_its_neighbours_along() -> None:
    values = [request_event("a"), b"{", request_event("b"), None, request_event("c")]
    decoded = decode(*(message(TOPICS["requests"], v, offset=i) for i, v in enumerate(values)))
    assert decoded.frames["requests"]["offset"].to_list() == [0, 2, 4]
    assert decoded.dead_letters["offset"].to_list() == [1, 3]


@pytest.mark.parametrize(
    ("value", "stored"),
    [(1, 1.0), (-1, -1.0), (0, -1.0), (True, 1.0), (False, -1.0), ("up", 1.0), ("down", -1.0), (5, 1.0)],
)
def test_thumbs(value: Any, stored: float) -> None:
    assert row("signals", signal_event(kind="thumbs", value=value))["value"] == stored


@pytest.mark.parametrize("value", [1, 3.5, 5])
def test_ratings(value: float) -> None:
    assert row("signals", signal_event(kind="rating", value=value))["value"] == float(value)


def test_unusual_but_valid_input_is_accepted() -> None:
    made = row(
        "requests", request_event(prompt="null \0 byte 🐟", brand_new={"x": [1]}, parameters={"seed": 2**70})
    )
    assert "null \\u0000 byte 🐟" in made["input_messages"]
    assert json.loads(made["parameters"]) == {"seed": 2**70}
    assert row("requests", json.loads(nested(200, "parameters")))["feature"] == "search"


def test_a_request_without_session_is_its_own_session() -> None:
    assert row("requests", without(request_event("r9"), "session_id"))["session_id"] == "r9"


def test_user_ids_are_never_stored() -> None:
    frames = decode(
        message(TOPICS["requests"], request_event(user_id="alice@example.org")),
        message(TOPICS["signals"], signal_event(user_id="alice@example.org"), offset=1),
        message(TOPICS["consents"], consent_event(user_id="alice@example.org"), offset=2),
    ).frames
    keys = [frames[kind]["user_key"].item() for kind in ("requests", "signals", "consents")]
    assert len(set(keys)) == 1
    assert keys[0]
    assert "alice" not in "".join(str(frame.rows()) for frame in frames.values())


def test_every_field_reaches_its_column() -> None:
    made = row(
        "requests",
        request_event(
            usage={"input_tokens": 1, "output_tokens": 2, "cached_input_tokens": 3, "reasoning_tokens": 4},
            behavior={"model_version": "mv", "prompt_name": "pn", "prompt_version": "pv", "adapter": "ad"},
            route={
                "router_version": "rv",
                "route": "ro",
                "candidates": ["a", "b"],
                "predicted_difficulty": 0.5,
            },
            deployment={"target": "edge", "engine": "en", "quantization": "q4", "region": "eu"},
            experiment={"name": "ex", "variant": "va"},
            consent={"scopes": ["training"], "policy_version": "p1"},
            tools=[{"name": "t"}],
            attributes={"k": "v"},
            license="MIT",
            cost_usd=0.1,
            finish_reason="stop",
            error_type="E",
        ),
    )
    wanted = {
        "input_tokens": 1,
        "output_tokens": 2,
        "cached_input_tokens": 3,
        "reasoning_tokens": 4,
        "model_version": "mv",
        "prompt_name": "pn",
        "prompt_version": "pv",
        "adapter": "ad",
        "router_version": "rv",
        "route": "ro",
        "route_candidates": ["a", "b"],
        "predicted_difficulty": 0.5,
        "deployment_target": "edge",
        "engine": "en",
        "quantization": "q4",
        "region": "eu",
        "experiment": "ex",
        "variant": "va",
        "consent_scopes": ["training"],
        "consent_policy_version": "p1",
        "tools": '[{"name":"t"}]',
        "attributes": '{"k":"v"}',
        "license": "MIT",
        "cost_usd": 0.1,
        "finish_reason": "stop",
        "error_type": "E",
        "occurred_at": START,
        "partition": 3,
        "offset": 7,
        "duplicate": False,
    }
    assert {name: made[name] for name in wanted} == wanted


def test_consent_not_recorded_is_not_consent_to_nothing() -> None:
    assert row("requests", request_event())["consent_scopes"] is None
    assert row("requests", request_event(consent={"scopes": []}))["consent_scopes"] == []


def test_taking_starts_a_new_batch() -> None:
    decoder = Decoder(KAFKA, Identity(b"key", held_out_share=0.1))
    for offset in range(2):
        decoder.feed([message(TOPICS["signals"], signal_event(), offset=offset)], now_us=START_US)
    assert decoder.take().frames["signals"]["offset"].to_list() == [0, 1]
    empty = decoder.take()
    assert len(decoder) == 0
    assert all(
        isinstance(f, pl.DataFrame) and f.is_empty() for f in (*empty.frames.values(), empty.dead_letters)
    )
