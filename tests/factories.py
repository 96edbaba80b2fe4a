"""Builders the tests share: events as producers send them, Kafka messages, light frames, table rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl

from contracts.tables import frame_schema, nullable_columns
from joiners.windows import EMPTY
from streams.decoding import RawMessage

SECOND = 1_000_000
MINUTE = 60 * SECOND
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
START_US = int(START.timestamp()) * SECOND
"""Event time of the first events, UTC microseconds."""


def at(seconds: float) -> datetime:
    """A moment `seconds` after START."""
    return datetime.fromtimestamp(START_US // SECOND + seconds, UTC)


def at_ms(seconds: float) -> int:
    """The same as epoch milliseconds, as producers send it."""
    return START_US // 1000 + round(seconds * 1000)


def request_event(request_id: str = "r1", *, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    """A `RequestLogged` as JSON-ready dict."""
    return {
        "event_id": f"event-{request_id}",
        "request_id": request_id,
        "session_id": "s1",
        "occurred_at": at_ms(seconds),
        "feature": "search",
        "prompt": "how do I reset my password",
        "response": "click on forgot password",
    } | fields


def signal_event(event_id: str = "g1", *, seconds: float = 10, **fields: Any) -> dict[str, Any]:
    """A `SignalObserved` as JSON-ready dict."""
    return {
        "event_id": event_id,
        "session_id": "s1",
        "occurred_at": at_ms(seconds),
        "kind": "copy",
    } | fields


def outcome_event(event_id: str = "o1", *, seconds: float = 20, **fields: Any) -> dict[str, Any]:
    """An `OutcomeRecorded` as JSON-ready dict."""
    return {
        "event_id": event_id,
        "session_id": "s1",
        "occurred_at": at_ms(seconds),
        "kind": "ticket",
        "success": True,
    } | fields


def consent_event(event_id: str = "c1", *, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    """A `ConsentChanged` as JSON-ready dict."""
    return {
        "event_id": event_id,
        "user_id": "u1",
        "scope": "training",
        "granted": True,
        "occurred_at": at_ms(seconds),
    } | fields


def without(event: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The event with fields left out."""
    return {k: v for k, v in event.items() if k not in names}


def message(
    topic: str, value: Mapping[str, Any] | bytes | None, *, offset: int = 0, partition: int = 0
) -> RawMessage:
    """A Kafka message; dicts are encoded as JSON."""
    raw = value if value is None or isinstance(value, bytes) else msgspec.json.encode(value)
    return RawMessage(topic, partition, offset, START_US + offset, b"key", raw)


def light(kind: str, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Light rows of a kind from partial dicts; `us` (microseconds after START) gives the time."""
    schema = {name: dtype for name, dtype in EMPTY[kind].schema.items() if name != "settled"}
    return pl.DataFrame([_complete(row, schema) for row in rows], schema=schema, orient="row")


_LIGHT_DEFAULTS: Mapping[str, Any] = {
    "session_id": "s1",
    "feature": "search",
    "actor": "user",
    "split": "train",
    "fingerprint": "f",
    "partition": 0,
    "offset": 0,
    "kind": "copy",
}


def _complete(row: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    moment = START_US + row.get("us", 0)
    made = {name: row.get(name, _LIGHT_DEFAULTS.get(name)) for name in schema}
    made["occurred_at"] = datetime.fromtimestamp(moment // SECOND, UTC).replace(microsecond=moment % SECOND)
    if "date" in made:
        made["date"] = made["occurred_at"].date()
    return made


_BY_TYPE: Mapping[type[pl.DataType], Any] = {
    pl.String: "x",
    pl.Boolean: False,
    pl.Float64: 0.0,
    pl.Int32: 1,
    pl.Int64: 1,
    pl.Datetime: START,
    pl.Date: START.date(),
    pl.List: [],
    pl.Binary: b"x",
}

_BY_COLUMN: Mapping[str, Any] = {
    "finish_class": "ok",
    "failure_hint": "unknown",
    "partition": 0,
    "kind": "preference",
    "pair_source": "user_edit",
    "source_type": "production_log",
    "slice": "failure",
    "verdict": "fail",
    "label": "fail",
    "role": "question",
    "status": "active",
    "mark": "superseded",
    "id_kind": "session",
    "held": "user",
    "task": "pointwise",
    "calibrations.state": "passed",
    "nightly_runs.state": "claimed",
    "pushes.state": "complete",
    "notice": "published",
    "asked": "first",
}


def table_rows(table: str, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Valid rows of a table: given columns, nulls where allowed, plain values elsewhere."""
    schema, nullable = frame_schema(table), nullable_columns(table)

    def value(row: Mapping[str, Any], column: str, dtype: pl.DataType) -> Any:
        if column in row:
            return row[column]
        if column in nullable:
            return None
        return _BY_COLUMN.get(f"{table}.{column}", _BY_COLUMN.get(column, _BY_TYPE[type(dtype)]))

    made = [{c: value(row, c, d) for c, d in schema.items()} for row in rows]
    return pl.DataFrame(made, schema=schema, orient="row")


def us(moment: datetime) -> int:
    """UTC microseconds of a moment."""
    return round(moment.timestamp() * SECOND)
