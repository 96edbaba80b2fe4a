"""Messages of `tailrace.alerts`: what somebody should hear of before any window closes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from contracts.validation import decode_json

DEAD_LETTERS: Final = "dead_letters"
"""Kind of the alert that a producer breaks its contract; other kinds are those of signals."""


class DeadLetterShare(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the events consumed in the last `minutes` could not be used, and which.

    `reasons`: dead letters by `reason of topic`, the most frequent ones first.
    """

    minutes: int
    consumed: int
    dead_letters: int
    reasons: dict[str, int]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert; keyed by `session_id` (of `dead_letters`: by the kind), so that sessions keep their order.

    `alert_id` is the event id of the signal: one that comes twice is the same alert. `occurred_at` is
    event time, `detected_at` clock time, both RFC 3339 UTC. `request_id` is what the signal named;
    `feature` is null when the request is in no open window. No text: that lies in the lake.
    """

    alert_id: str
    kind: str
    occurred_at: str
    detected_at: str
    session_id: str | None = None
    request_id: str | None = None
    user_key: str | None = None
    actor: str | None = None
    feature: str | None = None
    dead_letters: DeadLetterShare | None = None

    @property
    def key(self) -> bytes:
        """Key of the message."""
        return (self.session_id or self.kind).encode()


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(Alert)


def encode_alert(alert: Alert) -> bytes:
    """The value of a message."""
    return _encode(alert)


def decode_alert(value: bytes | None, *, max_bytes: int) -> Alert:
    """An alert from a message's value; raises `EventInvalid` with the reason."""
    alert: Alert = decode_json(_decoder, value, max_bytes=max_bytes)
    return alert


def alert_schema() -> dict[str, Any]:
    """JSON Schema of the messages, for consumers in other languages."""
    return msgspec.json.schema(Alert)
