"""Columns of `requests`, and what the light row has of its texts, from a chunk of `RequestLogged`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import polars as pl
from msgspec.structs import astuple

from contracts.events import Behavior, RequestLogged, Usage
from contracts.messages import encode_messages, last_user_text, normalize, output_text
from contracts.tables import frame_schema
from joiners.finishes import output_ending, text_ending
from joiners.light import PROMPT_CHARS, RESPONSE_CHARS
from streams.columns import (
    Decode,
    Fields,
    Refused,
    Repeated,
    check_printable,
    day,
    event_times,
    moment,
    nulls,
    part_columns,
    texts,
)
from streams.identity import Identity, fingerprint

TEXT_COLUMNS: Final = {name: pl.String() for name in ("prompt_text", "response_text", "ending")}
SCHEMA: Final = pl.Schema({**frame_schema("requests"), **TEXT_COLUMNS})

_json = msgspec.json.Encoder(order="sorted").encode

_PLAIN: Final = (
    *("event_id", "request_id", "feature", "actor"),
    *("latency_ms", "cost_usd", "finish_reason", "error_type", "license"),
)
_JSON: Final = ("tools", "parameters", "attributes")


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_PARTS: Final[dict[str, dict[str, str]]] = {
    "usage": _same(*Usage.__struct_fields__),
    "route": {
        "candidates": "route_candidates",
        **_same("router_version", "route", "predicted_difficulty"),
    },
    "deployment": {"target": "deployment_target", **_same("engine", "quantization", "region")},
    "experiment": {"name": "experiment", "variant": "variant"},
}


_LAYERS: Final = ("provider", "model", *Behavior.__struct_fields__, "fingerprint")
_CONSENT: Final = ("consent_policy_version", "consent_scopes")


def _layers_row(key: tuple[str | None, str | None, tuple[str | None, ...] | None]) -> tuple[str | None, ...]:
    provider, model, layers = key
    behavior = (
        None if layers is None else Behavior(**dict(zip(Behavior.__struct_fields__, layers, strict=True)))
    )
    values_of = layers or (None,) * len(Behavior.__struct_fields__)
    return provider, model, *values_of, fingerprint(provider, model, behavior)


def _consent_row(key: tuple[str | None, tuple[str, ...]] | None) -> tuple[str | None, list[str] | None]:
    return (None, None) if key is None else (key[0], list(key[1]))


class RequestRepeats:
    """What requests of one deployment repeat: the layers that decide behaviour, and consent."""

    def __init__(self) -> None:
        self.layers = Repeated({name: SCHEMA[name] for name in _LAYERS}, _layers_row)
        self.consent = Repeated({name: SCHEMA[name] for name in _CONSENT}, _consent_row)


class RequestChunk:
    """Requests on their way to columns.

    Messages are brought to their stored form at once and let go: a chunk of whole conversations would not
    stay in the processor's cache.
    """

    def __init__(self, repeats: RequestRepeats) -> None:
        self._repeats = repeats
        self._events: list[RequestLogged] = []
        self._texts: list[tuple[str | None, ...]] = []

    def __len__(self) -> int:
        return len(self._events)

    def take(self, decode: Decode[RequestLogged], values: Iterable[bytes | None]) -> None:
        """Take in the events of message values one after another, up to the one `decode` raises for, or
        whose messages cannot be used (`EventInvalid`)."""
        for value in values:
            event = decode(value)
            self._texts.append(_take_texts(event))
            self._events.append(event)

    def columns(self, known_at_us: Sequence[int], identity: Identity, refused: Refused) -> list[pl.Series]:
        """Columns of `SCHEMA` but for the origin, in any order; what cannot be used is noted in `refused`."""
        events, fields = self._events, Fields(self._events)
        check_printable(fields, refused)
        time_us = event_times(fields, known_at_us, refused)
        users = fields["user_id"]
        sessions = [
            session or request
            for session, request in zip(fields["session_id"], fields["request_id"], strict=True)
        ]
        key, split = identity.user_key, identity.split
        names = ("input_messages", "output_messages", *TEXT_COLUMNS)
        return [
            *fields.columns(SCHEMA, _PLAIN),
            texts("session_id", sessions),
            texts("user_key", [key(user) if user else None for user in users]),
            texts("split", [split(user or session) for user, session in zip(users, sessions, strict=True)]),
            moment("occurred_at", time_us),
            day("date", time_us),
            *map(texts, names, zip(*self._texts, strict=True)),
            *(_json_column(name, fields[name]) for name in _JSON),
            *(
                column
                for part, names_of in _PARTS.items()
                for column in part_columns(fields[part], SCHEMA, names_of)
            ),
            *self._repeats.layers.columns(
                (e.provider, e.model, None if e.behavior is None else astuple(e.behavior)) for e in events
            ),
            *self._repeats.consent.columns(
                None if e.consent is None else (e.consent.policy_version, tuple(e.consent.scopes))
                for e in events
            ),
        ]


def _take_texts(event: RequestLogged) -> tuple[str | None, ...]:
    """Take the messages out of an event: their stored form, and the two texts of the light row."""
    inputs = normalize(event.input_messages, event.prompt, role="user", field="input_messages")
    outputs = normalize(event.output_messages, event.response, role="assistant", field="output_messages")
    event.input_messages = event.output_messages = event.prompt = event.response = None
    prompt, response = last_user_text(inputs), output_text(outputs)
    return (
        None if inputs is None else encode_messages(inputs),
        None if outputs is None else encode_messages(outputs),
        prompt[:PROMPT_CHARS] if prompt else None,
        response[:RESPONSE_CHARS] if response else None,
        text_ending(response) if response else output_ending(outputs),
    )


def _json_column(name: str, given: Sequence[Any]) -> pl.Series:
    if given.count(None) == len(given):
        return nulls(name, pl.String(), len(given))
    return texts(name, [None if value is None else _json(value).decode() for value in given])
