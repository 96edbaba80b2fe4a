"""Columns of `signals`, `outcomes` and `consents` from chunks of their events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from operator import attrgetter
from types import NoneType
from typing import Any, Final, Generic, TypeVar

import polars as pl

from contracts import reasons
from contracts.errors import EventInvalid
from contracts.events import ConsentChanged, OutcomeRecorded, SignalObserved
from contracts.tables import frame_schema
from contracts.validation import check_target
from streams.columns import (
    Decode,
    Fields,
    Refused,
    check_printable,
    day,
    event_times,
    moment,
    refuse,
    texts,
)
from streams.identity import Identity

E = TypeVar("E", SignalObserved, OutcomeRecorded, ConsentChanged)

SIGNALS: Final = frame_schema("signals")
OUTCOMES: Final = frame_schema("outcomes")
CONSENTS: Final = frame_schema("consents")

_SIGNAL_FIELDS: Final = ("event_id", "session_id", "request_id", "kind", "text", "surface", "actor")
_OUTCOME_FIELDS: Final = (
    *("event_id", "session_id", "request_id", "kind"),
    *("success", "value", "source", "supersedes"),
)
_CONSENT_FIELDS: Final = ("event_id", "scope", "granted", "policy_version")

_KIND: Final = attrgetter("kind")
_THUMBS: Final = {"up": 1.0, "down": -1.0}
_NEEDS_VALUE: Final = frozenset({"rating", "dwell"})
_RATINGS: Final = (1.0, 5.0)


class EventChunk(Generic[E]):
    """Flat events on their way to columns."""

    def __init__(self) -> None:
        self._events: list[E] = []

    def take(self, decode: Decode[E], values: Iterable[bytes | None]) -> None:
        """Take in the events of message values one after another, up to the one `decode` raises for."""
        for value in values:
            self._events.append(decode(value))

    def __len__(self) -> int:
        return len(self._events)

    def columns(self, known_at_us: Sequence[int], identity: Identity, refused: Refused) -> list[pl.Series]:
        """Columns of the table but for the origin, in any order; what cannot be used goes to `refused`."""
        fields: Fields = Fields(self._events)
        check_printable(fields, refused)
        time_us = event_times(fields, known_at_us, refused)
        return [
            moment("occurred_at", time_us),
            day("date", time_us),
            *self.own_columns(fields, identity, refused),
        ]

    def own_columns(self, fields: Fields, identity: Identity, refused: Refused) -> list[pl.Series]:
        """What only this kind has."""
        raise NotImplementedError


class SignalChunk(EventChunk[SignalObserved]):
    """Signals."""

    def any_of(self, kinds: Set[str], *, since: int) -> bool:
        """Whether an event from index `since` on is of one of these kinds (30 ns an event)."""
        return not kinds.isdisjoint(map(_KIND, self._events[since:]))

    def own_columns(self, fields: Fields, identity: Identity, refused: Refused) -> list[pl.Series]:
        """Columns of `signals`."""
        return [
            *fields.columns(SIGNALS, _SIGNAL_FIELDS),
            _user_keys(fields, identity),
            _signal_values(fields, refused),
        ]


class OutcomeChunk(EventChunk[OutcomeRecorded]):
    """Outcomes."""

    def own_columns(self, fields: Fields, identity: Identity, refused: Refused) -> list[pl.Series]:  # noqa: ARG002
        """Columns of `outcomes`; they name no user."""
        columns = {c.name: c for c in fields.columns(OUTCOMES, _OUTCOME_FIELDS)}
        for i in (columns["session_id"].is_null() & columns["request_id"].is_null()).arg_true():
            refuse(refused, i, check_target, fields.events[i])
        return list(columns.values())


class ConsentChunk(EventChunk[ConsentChanged]):
    """Consent changes."""

    def own_columns(self, fields: Fields, identity: Identity, refused: Refused) -> list[pl.Series]:  # noqa: ARG002
        """Columns of `consents`."""
        return [*fields.columns(CONSENTS, _CONSENT_FIELDS), _user_keys(fields, identity)]


def _user_keys(fields: Fields, identity: Identity) -> pl.Series:
    key = identity.user_key
    return texts("user_key", [key(user) if user else None for user in fields["user_id"]])


def _signal_values(fields: Fields, refused: Refused) -> pl.Series:
    """Values as numbers. Only the kinds that give their value a meaning are looked at one by one."""
    kinds, given = fields["kind"], fields["value"]
    numbers: list[Any] = list(given)
    plain = set(map(type, given)) <= {float, NoneType}
    for i, kind in enumerate(kinds):
        if kind in _MEANT or not plain:
            try:
                numbers[i] = signal_value(kind, given[i])
            except EventInvalid as error:
                refused.setdefault(i, error)
                numbers[i] = None
    return pl.Series("value", numbers, dtype=pl.Float64)


def signal_value(kind: str, value: float | bool | str | None) -> float | None:
    """The number a signal's value stands for, see `contracts.events.SignalKind`; raises `EventInvalid`."""
    if isinstance(value, bool):
        value = 1.0 if value else -1.0 if kind == "thumbs" else 0.0
    elif isinstance(value, str):
        if kind != "thumbs" or value not in _THUMBS:
            raise EventInvalid(
                reasons.SCHEMA, 'a number is needed (thumbs also take "up" and "down")', field="$.value"
            )
        value = _THUMBS[value]
    number = None if value is None else float(value)
    if kind == "thumbs" and number is not None:
        # Products that send 0/1 mean down/up; a thumb has no third position.
        return 1.0 if number > 0 else -1.0
    if kind in _NEEDS_VALUE and number is None:
        raise EventInvalid(reasons.SCHEMA, f"{kind} needs a value", field="$.value")
    if kind == "rating" and number is not None and not _RATINGS[0] <= number <= _RATINGS[1]:
        raise EventInvalid(reasons.SCHEMA, "a rating lies between 1 and 5", field="$.value")
    return number


_MEANT: Final = frozenset({"thumbs", *_NEEDS_VALUE})
