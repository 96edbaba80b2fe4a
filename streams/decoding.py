"""Decoding: Kafka messages to bronze frames, and what cannot be used to dead letters.

Nothing raises for a bad message: each becomes either a row or a dead letter with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import polars as pl
import pyarrow as pa

from contracts import topics
from contracts.errors import EventInvalid
from contracts.settings import KafkaSettings
from contracts.tables import frame_schema
from contracts.validation import DAY, EARLIEST_US, check, decode_json
from streams.identity import Identity
from streams.rows import consent_row, outcome_row, request_row, signal_row


class RawMessage(NamedTuple):
    """One Kafka message. `timestamp_us` is the broker's, UTC microseconds."""

    topic: str
    partition: int
    offset: int
    timestamp_us: int
    key: bytes | None
    value: bytes | None


_DEAD: Final = "dead_letters"
TEXT_COLUMNS: Final = {"prompt_text": pl.String(), "response_text": pl.String()}

KIND_SCHEMAS: Final = {
    "requests": pl.Schema({**frame_schema("requests"), **TEXT_COLUMNS}),
    "signals": frame_schema("signals"),
    "outcomes": frame_schema("outcomes"),
    "consents": frame_schema("consents"),
    _DEAD: frame_schema(_DEAD),
}
"""Schemas of the decoded frames; requests carry the two texts of their light row besides."""

_ROWS: Final[dict[str, Callable[..., tuple[Any, ...]]]] = {
    "requests": request_row,
    "signals": signal_row,
    "outcomes": outcome_row,
    "consents": consent_row,
}


@dataclass(slots=True)
class Decoded:
    """Frames of one micro-batch by kind, and the dead letters."""

    frames: dict[str, pl.DataFrame]
    dead_letters: pl.DataFrame


class Decoder:
    """Collects messages of a micro-batch; `take` turns them into frames."""

    def __init__(self, kafka: KafkaSettings, identity: Identity) -> None:
        self._identity = identity
        self._max_bytes = kafka.max_value_bytes
        self._chunks: dict[str, list[pl.DataFrame]] = {kind: [] for kind in (*_ROWS, _DEAD)}
        self._height = 0
        self._kinds = {
            topic: (kind, msgspec.json.Decoder(topics.EVENT_TYPES[default]), _ROWS[kind])
            for kind, (topic, default) in input_topics(kafka).items()
        }

    def __len__(self) -> int:
        return self._height

    def feed(self, messages: Iterable[RawMessage], *, now_us: int) -> None:
        """Decode messages into the current micro-batch."""
        kinds, identity, max_bytes = self._kinds, self._identity, self._max_bytes
        rows: dict[str, list[tuple[Any, ...]]] = {kind: [] for kind in self._chunks}
        for topic, partition, offset, timestamp_us, key, value in messages:
            kind, decoder, to_row = kinds[topic]
            try:
                event = decode_json(decoder, value, max_bytes=max_bytes)
                # By the broker's clock, so that reading a message again comes to the same verdict.
                known_at_us = timestamp_us if timestamp_us >= EARLIEST_US else now_us
                time_us = check(event, now_us=known_at_us, escaped=b"\\" in (value or b""))
                rows[kind].append(to_row(event, time_us, (partition, offset, timestamp_us), identity))
            except EventInvalid as error:
                message = RawMessage(topic, partition, offset, timestamp_us, key, value)
                rows[_DEAD].append(_dead_letter(message, error))
        # Columns are built while the rows are still in the processor's cache.
        for kind, chunk in rows.items():
            if chunk:
                self._chunks[kind].append(_frame(chunk, KIND_SCHEMAS[kind]))
                self._height += len(chunk)

    def take(self) -> Decoded:
        """Frames of the micro-batch so far; starts a new one."""
        frames = {
            kind: pl.concat(chunks, rechunk=False) if chunks else pl.DataFrame(schema=KIND_SCHEMAS[kind])
            for kind, chunks in self._chunks.items()
        }
        self._chunks = {kind: [] for kind in self._chunks}
        self._height = 0
        return Decoded(dead_letters=frames.pop(_DEAD), frames=frames)


def _dead_letter(message: RawMessage, error: EventInvalid) -> tuple[Any, ...]:
    return (
        *(message.topic, message.partition, message.offset, message.timestamp_us),
        message.timestamp_us // DAY,
        *(error.reason, error.field, error.detail, message.key, message.value),
    )


def input_topics(kafka: KafkaSettings) -> dict[str, tuple[str, str]]:
    """Kind → (topic as configured, its default name)."""
    return {
        "requests": (kafka.requests_topic, topics.REQUESTS),
        "signals": (kafka.signals_topic, topics.SIGNALS),
        "outcomes": (kafka.outcomes_topic, topics.OUTCOMES),
        "consents": (kafka.consents_topic, topics.CONSENTS),
    }


def _frame(rows: list[tuple[Any, ...]], schema: pl.Schema) -> pl.DataFrame:
    columns = zip(*rows, strict=True)
    return pl.DataFrame(
        [_series(name, dtype, values) for (name, dtype), values in zip(schema.items(), columns, strict=True)]
    )


def _series(name: str, dtype: pl.DataType, values: tuple[Any, ...]) -> pl.Series:
    """Times and dates come as integers (µs, days): building them as such is several times faster."""
    if isinstance(dtype, pl.Datetime):
        return pl.Series(name, values, dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if isinstance(dtype, pl.Date):
        return pl.Series(name, values, dtype=pl.Int32).cast(pl.Date)
    if isinstance(dtype, pl.List):
        # Polars builds a series per list; Arrow takes them all at once.
        listed = pa.array(values, type=pa.large_list(pa.large_string()))
        return pl.Series(name, pl.from_arrow(listed), dtype=dtype)
    return pl.Series(name, values, dtype=dtype)
