"""Messages that break the contract, each in one way that real producers have managed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from contracts.topics import OUTCOMES, REQUESTS
from streams.simulator.dice import Dice
from streams.simulator.wire import Sent

_FIELDS: Final = msgspec.json.Decoder(dict[str, Any])
_encode: Final = msgspec.json.Encoder().encode
_DEPTH: Final = 3000


def _with(**changes: object) -> Callable[[Dice, Sent], bytes]:
    return lambda _, sent: _encode(_FIELDS.decode(sent.value) | changes)


def _without(field: str) -> Callable[[Dice, Sent], bytes]:
    return lambda _, sent: _encode({k: v for k, v in _FIELDS.decode(sent.value).items() if k != field})


def _cut(d: Dice, sent: Sent) -> bytes:
    return sent.value[: d.between(1, len(sent.value) - 1)]


def _invalid_utf8(_: Dice, sent: Sent) -> bytes:
    return sent.value.replace(b'":"', b'":"\xc3\x28\xff', 1)


def _null_byte(_: Dice, sent: Sent) -> bytes:
    return sent.value[:-1] + b"\x00}"


def _deep(_: Dice, sent: Sent) -> bytes:
    return sent.value[:-1] + b',"attributes":' + b'{"a":' * _DEPTH + b"1" + b"}" * _DEPTH + b"}"


def _tombstone(_: Dice, __: Sent) -> None:
    return None


def _empty(_: Dice, __: Sent) -> bytes:
    return b""


def _not_an_object(d: Dice, _: Sent) -> bytes:
    return d.pick((b"[]", b'"ok"', b"null", b"42"))


_ANY: Final[tuple[Callable[[Dice, Sent], bytes | None], ...]] = (
    _cut,
    _cut,
    _invalid_utf8,
    _null_byte,
    _deep,
    _tombstone,
    _empty,
    _not_an_object,
    _without("event_id"),
    _without("occurred_at"),
    _with(event_id=""),
    _with(event_id="e-\x00null"),
    _with(event_id=17),
    _with(schema_version=99),
    _with(occurred_at="yesterday at noon"),
    _with(occurred_at="1970-01-01T00:00:00Z"),
    _with(occurred_at=99_999_999_999_999),
    _with(occurred_at="2025-03-04T10:00:00"),
    _with(occurred_at=None),
)
_REQUEST: Final = (
    _without("request_id"),
    _without("feature"),
    _with(actor="robot"),
    _with(latency_ms="fast"),
    _with(input_messages="hello"),
    _with(input_messages=[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}], prompt="Hi"),
)
_SIGNAL: Final = (_with(kind="shrug"), _without("session_id"), _with(value={"up": 1}), _with(text=3.5))
_OUTCOME: Final = (_with(session_id=None, request_id=None), _with(success="yes"), _with(kind=""))


def broken_copy(d: Dice, sent: Sent) -> bytes | None:
    """The value of a broken message that looks like `sent`; None is a tombstone."""
    if d.chance(0.6):
        return d.pick(_ANY)(d, sent)
    options = _REQUEST if sent.topic == REQUESTS else _OUTCOME if sent.topic == OUTCOMES else _SIGNAL
    return d.pick(options)(d, sent)
