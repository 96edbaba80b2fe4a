"""From an application's arguments to the bytes of one event, checked by the worker's own rules.

Pure: the clock is an argument and nothing is sent.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from contracts import messages, reasons, topics, validation
from contracts.errors import EventInvalid
from contracts.events import Event, RequestLogged
from streams.routing import key_of

# Left as they are by to_builtins, so that the strict conversion refuses them: text given as bytes
# would otherwise travel as base64 and be stored as such.
_NOT_TEXT: Final = (bytes, bytearray, memoryview)
_encode: Final = msgspec.json.Encoder().encode
_decoders: Final = {kind: msgspec.json.Decoder(kind) for kind in topics.EVENT_TYPES.values()}
_fields: Final = {kind: frozenset(kind.__struct_fields__) for kind in topics.EVENT_TYPES.values()}

# uuid4() asks the kernel for every id and hands the GIL to the sender thread meanwhile: 37 µs under
# load. A generator of our own (no application seeds it), seeded by the kernel again in forked children.
_ids: Final = random.Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)


class Outgoing(NamedTuple):
    """One event ready to send. `key` and `value` are UTF-8."""

    event_id: str
    key: bytes
    value: bytes


def prepare(
    kind: type[Event],
    event: Event | None,
    fields: Mapping[str, Any],
    *,
    now_us: int,
    max_bytes: int,
) -> Outgoing:
    """Complete, check and encode one event, given as a Struct or as fields (never both).

    Fills in `event_id` (a fresh UUID) and `occurred_at` (`now_us`, UTC microseconds). Raises
    `EventInvalid` with the reason code the worker would dead-letter it with, and `TypeError` for a
    field that does not exist: the worker would ignore it, the caller surely meant another.
    """
    if event is None:
        unknown = fields.keys() - _fields[kind]
        if unknown:
            raise TypeError(f"{kind.__name__} has no field {sorted(unknown)[0]!r}")
        given = {name: value for name, value in fields.items() if value is not None}
    else:
        if fields:
            raise TypeError("give an event or its fields, not both")
        if not isinstance(event, kind):
            raise TypeError(f"expected {kind.__name__}, got {type(event).__name__}")
        given = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not None}
    given["occurred_at"] = _moment(given.get("occurred_at"), now_us)
    if "event_id" not in given:
        given["event_id"] = str(uuid.UUID(int=_ids.getrandbits(128), version=4))
    try:
        checked = msgspec.convert(msgspec.to_builtins(given, builtin_types=_NOT_TEXT), kind)
        value = _encode(checked)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise EventInvalid(reasons.SCHEMA, message, field=path.rstrip("`")) from None
    except RecursionError:
        raise EventInvalid(reasons.TOO_DEEP, "nested too deeply") from None
    except UnicodeEncodeError:
        raise EventInvalid(reasons.INVALID_UTF8, "a text holds a lone surrogate") from None
    except (TypeError, ValueError, OverflowError, NotImplementedError) as error:
        raise EventInvalid(reasons.SCHEMA, f"not JSON: {type(error).__name__}") from None
    arrived: Event = validation.decode_json(_decoders[kind], value, max_bytes=max_bytes)
    validation.check(arrived, now_us=now_us)
    if isinstance(arrived, RequestLogged):
        messages.normalize(arrived.input_messages, arrived.prompt, role="user", field="input_messages")
        messages.normalize(
            arrived.output_messages, arrived.response, role="assistant", field="output_messages"
        )
    return Outgoing(arrived.event_id, key_of(arrived).encode(), value)


def _moment(given: Any, now_us: int) -> Any:
    if given is None:
        return datetime.fromtimestamp(now_us / validation.SECOND, UTC).isoformat()
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise EventInvalid(reasons.TIME_FORMAT, "a datetime needs a timezone", field="$.occurred_at")
        return given.astimezone(UTC).isoformat()
    return given
