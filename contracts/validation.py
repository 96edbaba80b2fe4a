"""The rules of the event contract that types alone cannot express.

One rulebook for both edges: the emitter refuses before sending, the worker dead-letters on arrival.
Time is an argument. All times are UTC microseconds since the epoch.
"""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final

import msgspec

from contracts import reasons
from contracts.errors import EventInvalid
from contracts.events import ConsentChanged, Event, OutcomeRecorded, RequestLogged, SignalObserved

SECOND: Final = 1_000_000
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
EARLIEST_US: Final = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * SECOND
MAX_AHEAD_US: Final = 24 * HOUR

_fromisoformat = datetime.fromisoformat
MAX_EPOCH_MS: Final = 10**14
"""Beyond every time that is accepted; guards the multiplication to microseconds."""


def parse_time(value: str | int, *, now_us: int) -> int:
    """Event time in UTC microseconds.

    Accepts RFC 3339 with an offset (finer than microseconds is cut) or epoch milliseconds. Raises
    `EventInvalid` (`time_format`, `time_range`) outside [2020-01-01, now + 24 h].
    """
    if isinstance(value, str):
        try:
            moment = _fromisoformat(value)
            if moment.tzinfo is None:
                raise ValueError
            time_us = round(moment.timestamp() * SECOND)
        except (ValueError, OverflowError):
            raise EventInvalid(
                reasons.TIME_FORMAT,
                "neither RFC 3339 with an offset nor epoch milliseconds",
                field="$.occurred_at",
            ) from None
    else:
        time_us = value * 1000 if abs(value) < MAX_EPOCH_MS else MAX_EPOCH_MS * 1000
    if not EARLIEST_US <= time_us <= now_us + MAX_AHEAD_US:
        raise EventInvalid(
            reasons.TIME_RANGE,
            "before 2020 or more than 24 h ahead of the clock",
            field="$.occurred_at",
        )
    return time_us


_ID_FIELDS: Final = {
    RequestLogged: ("event_id", "request_id", "session_id", "user_id"),
    SignalObserved: ("event_id", "session_id", "request_id", "user_id"),
    OutcomeRecorded: ("event_id", "session_id", "request_id", "supersedes"),
    ConsentChanged: ("event_id", "user_id"),
}
_IDS: Final = {kind: attrgetter(*names) for kind, names in _ID_FIELDS.items()}


def id_fields(event: Event) -> tuple[str, ...]:
    """Names of the fields of an event that hold ids."""
    return _ID_FIELDS[type(event)]


def check_ids(event: Event) -> None:
    """Refuse ids with control characters: they break keys, file names and terminals."""
    kind = type(event)
    for i, value in enumerate(_IDS[kind](event)):
        # isprintable() is the cheap test; only strings that fail it are looked at closely.
        if value is not None and not value.isprintable() and _has_control(value):
            raise EventInvalid(
                reasons.CONTROL_CHARACTER,
                "ids may not hold control characters",
                field=f"$.{_ID_FIELDS[kind][i]}",
            )


def _has_control(value: str) -> bool:
    return any(ord(c) < 32 for c in value)


def check_target(event: Event) -> None:
    """An outcome must name a session or a request."""
    if isinstance(event, OutcomeRecorded) and event.session_id is None and event.request_id is None:
        raise EventInvalid(reasons.NO_TARGET, "give session_id, request_id or both", field="$.session_id")


def check(event: Event, *, now_us: int, escaped: bool = True) -> int:
    """Apply every rule; returns the event time in UTC microseconds or raises `EventInvalid`.

    `escaped` says whether the JSON held a backslash: without one no string in it can hold a control
    character, and the look at the ids is saved.
    """
    if escaped:
        check_ids(event)
    check_target(event)
    return parse_time(event.occurred_at, now_us=now_us)


UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, ValueError)
"""What a decoder raises for bytes that are not the JSON it wants."""


def decode_json(decoder: msgspec.json.Decoder[Any], value: bytes | None, *, max_bytes: int) -> Any:
    """Decode one Kafka value, turning every way it can be broken into an `EventInvalid`."""
    if value is None:
        raise EventInvalid(reasons.TOMBSTONE, "the message has no value")
    if len(value) > max_bytes:
        raise EventInvalid(
            reasons.TOO_LARGE, f"{len(value)} bytes, the limit is {max_bytes} (kafka.max_value_bytes)"
        )
    try:
        return decoder.decode(value)
    except UNDECODABLE as error:
        raise undecodable(error, value) from None


def undecodable(error: Exception, value: bytes) -> EventInvalid:
    """What is wrong with a value whose decoding raised one of `UNDECODABLE`."""
    if isinstance(error, msgspec.ValidationError):
        # msgspec ends its message with the JSON path: "Expected `str`, got `int` - at `$.model`".
        message, _, path = str(error).partition(" - at `")
        if message.startswith("Invalid enum value"):
            message = "not one of the known values"  # msgspec quotes the value, which may be anything
        return EventInvalid(reasons.SCHEMA, message, field=path.rstrip("`"))
    if isinstance(error, RecursionError):
        return EventInvalid(reasons.TOO_DEEP, "nested too deeply")
    try:
        value.decode()
    except UnicodeDecodeError as bad:
        return EventInvalid(reasons.INVALID_UTF8, f"invalid UTF-8 at byte {bad.start}")
    return EventInvalid(reasons.MALFORMED_JSON, str(error))
