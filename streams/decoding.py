"""Decoding: Kafka messages to bronze frames, and what cannot be used to dead letters.

Nothing raises for a bad message: each becomes either a row or a dead letter with its reason.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import polars as pl

from contracts import topics
from contracts.errors import EventInvalid
from contracts.settings import KafkaSettings
from contracts.tables import frame_schema
from contracts.validation import DAY, EARLIEST_US, UNDECODABLE, decode_json, undecodable
from streams import evidence_columns, request_columns
from streams.columns import Refused, moment, origin_columns
from streams.evidence_columns import ConsentChunk, OutcomeChunk, SignalChunk
from streams.identity import Identity
from streams.request_columns import RequestChunk, RequestRepeats

if TYPE_CHECKING:
    from streams.ingress import Ingress


class RawMessage(NamedTuple):
    """One Kafka message. `timestamp_us` is the broker's, UTC microseconds."""

    topic: str
    partition: int
    offset: int
    timestamp_us: int
    key: bytes | None
    value: bytes | None


CHUNK: Final = 2_000
"""Messages that become columns together: few enough to stay in the processor's cache."""

_TOPIC: Final = itemgetter(0)
_DEAD: Final = "dead_letters"

KIND_SCHEMAS: Final = {
    "requests": request_columns.SCHEMA,
    "signals": evidence_columns.SIGNALS,
    "outcomes": evidence_columns.OUTCOMES,
    "consents": evidence_columns.CONSENTS,
    _DEAD: frame_schema(_DEAD),
}
"""Schemas of the decoded frames; requests carry the two texts of their light row besides."""


WATCHED: Final = (
    *("event_id", "session_id", "request_id", "user_key", "occurred_at"),
    *("kind", "actor", "partition", "offset"),
)
REQUEST_KEYS: Final = ("request_id", "session_id", "occurred_at", "partition", "feature")
_WATCHED_SCHEMA: Final = {name: evidence_columns.SIGNALS[name] for name in WATCHED}
_REQUEST_KEYS_SCHEMA: Final = {name: request_columns.SCHEMA[name] for name in REQUEST_KEYS}


@dataclass(slots=True)
class Decoded:
    """Frames of one micro-batch by kind, and the dead letters; spans redacted in them, by kind of data."""

    frames: dict[str, pl.DataFrame]
    dead_letters: pl.DataFrame
    redactions: dict[str, int] = field(default_factory=dict)


_CHUNKS: Final = {"signals": SignalChunk, "outcomes": OutcomeChunk, "consents": ConsentChunk}


@dataclass(slots=True)
class _Chunk:
    """Events of one topic on their way to columns, with the messages they came in."""

    kind: str
    decoder: msgspec.json.Decoder[Any]
    rows: Any
    messages: list[RawMessage] = field(default_factory=list)
    known_at_us: list[int] = field(default_factory=list)
    watched: bool = False

    def note(self, messages: list[RawMessage], now_us: int) -> None:
        """Keep the messages of events taken in."""
        self.messages += messages
        # By the broker's clock, so that reading a message again comes to the same verdict.
        self.known_at_us += [at_us if (at_us := m[3]) >= EARLIEST_US else now_us for m in messages]


class Decoder:
    """Collects messages of a micro-batch; `take` turns them into frames."""

    def __init__(
        self,
        kafka: KafkaSettings,
        identity: Identity,
        ingress: Ingress | None = None,
        *,
        watch: Collection[str] = (),
    ) -> None:
        """`ingress`: redacts what is decoded before anybody sees it; None: nothing is redacted here.
        `watch`: kinds of signals that somebody waits for, see `watched`."""
        self._identity = identity
        self._ingress = ingress
        self._max_bytes = kafka.max_value_bytes
        self._watch = frozenset(watch)
        self._watched: list[pl.DataFrame] = []
        self._repeats = RequestRepeats()
        self._frames: dict[str, list[pl.DataFrame]] = {kind: [] for kind in KIND_SCHEMAS}
        self._dead: list[tuple[Any, ...]] = []
        self._height = 0
        self._topics = {kind: topic for kind, (topic, _) in input_topics(kafka).items()}
        self._open = {
            topic: self._new_chunk(kind, msgspec.json.Decoder(topics.EVENT_TYPES[default]))
            for kind, (topic, default) in input_topics(kafka).items()
        }

    def _new_chunk(self, kind: str, decoder: msgspec.json.Decoder[Any]) -> _Chunk:
        rows = RequestChunk(self._repeats) if kind == "requests" else _CHUNKS[kind]()
        return _Chunk(kind, decoder, rows)

    def __len__(self) -> int:
        return self._height

    def feed(self, messages: Sequence[RawMessage], *, now_us: int) -> None:
        """Decode messages into the current micro-batch, best a few at a time: while they are in the cache."""
        for topic, run in groupby(messages, _TOPIC):
            self._read(self._open[topic], list(run), now_us)
        for topic, chunk in self._open.items():
            if len(chunk.messages) >= CHUNK:
                self._close(topic)
        self._height += len(messages)

    def _read(self, chunk: _Chunk, messages: list[RawMessage], now_us: int) -> None:
        """Decode messages of one topic."""
        values = [message[5] for message in messages]
        if all(values) and max(map(len, values)) <= self._max_bytes:  # type: ignore[arg-type]
            decode = chunk.decoder.decode
        else:
            decode = partial(decode_json, chunk.decoder, max_bytes=self._max_bytes)
        start, first = 0, len(chunk.rows)
        while start < len(messages):
            before = len(chunk.rows)
            try:
                chunk.rows.take(decode, values[start:])
            except (EventInvalid, *UNDECODABLE) as error:
                bad = start + len(chunk.rows) - before
                message = messages[bad]
                known = error if isinstance(error, EventInvalid) else undecodable(error, message[5] or b"")
                self._dead.append(_dead_letter(message, known))
            else:
                bad = len(messages)
            chunk.note(messages[start:bad], now_us)
            start = bad + 1
        if self._watch and isinstance(chunk.rows, SignalChunk) and not chunk.watched:
            chunk.watched = chunk.rows.any_of(self._watch, since=first)

    def _close(self, topic: str) -> None:
        """Turn the open chunk of a topic into a frame."""
        chunk = self._open[topic]
        if not chunk.messages:
            return
        self._open[topic] = self._new_chunk(chunk.kind, chunk.decoder)
        refused: Refused = {}
        origin = origin_columns(*(list(map(itemgetter(i), chunk.messages)) for i in (1, 2, 3)))
        columns = chunk.rows.columns(chunk.known_at_us, self._identity, refused)
        frame = pl.DataFrame([*origin, *columns])
        if refused:
            frame = frame.filter(pl.Series([i not in refused for i in range(len(chunk.messages))]))
            self._dead.extend(_dead_letter(chunk.messages[i], error) for i, error in refused.items())
        frame = frame.select(KIND_SCHEMAS[chunk.kind].names())
        self._frames[chunk.kind].append(self._ingress.rows(chunk.kind, frame) if self._ingress else frame)
        if chunk.watched:
            self._watched.append(frame.select(WATCHED).filter(pl.col("kind").is_in(list(self._watch))))

    @property
    def has_watched(self) -> bool:
        """Whether a signal of a watched kind was decoded since `watched` was called."""
        return bool(self._watched) or self._open[self._topics["signals"]].watched

    def watched(self) -> pl.DataFrame:
        """Valid signals of the watched kinds since the last call (columns `WATCHED`); they stay in the
        micro-batch, too."""
        if self._open[self._topics["signals"]].watched:
            self._close(self._topics["signals"])
        rows, self._watched = self._watched, []
        return pl.concat([pl.DataFrame(schema=_WATCHED_SCHEMA), *rows])

    def requests(self) -> pl.DataFrame:
        """Requests of the micro-batch so far, without texts (columns `REQUEST_KEYS`)."""
        self._close(self._topics["requests"])
        frames = [frame.select(REQUEST_KEYS) for frame in self._frames["requests"]]
        return pl.concat([pl.DataFrame(schema=_REQUEST_KEYS_SCHEMA), *frames])

    def take(self) -> Decoded:
        """Frames of the micro-batch so far; starts a new one."""
        for topic in self._open:
            self._close(topic)
        if self._dead:
            letters = _dead_letters(self._dead)
            self._frames[_DEAD].append(self._ingress.letters(letters) if self._ingress else letters)
            self._dead = []
        frames = {
            kind: pl.concat(chunks, rechunk=False) if chunks else pl.DataFrame(schema=KIND_SCHEMAS[kind])
            for kind, chunks in self._frames.items()
        }
        self._frames = {kind: [] for kind in self._frames}
        self._height = 0
        redactions = self._ingress.take_counts() if self._ingress else {}
        return Decoded(dead_letters=frames.pop(_DEAD), frames=frames, redactions=redactions)


def _dead_letter(message: RawMessage, error: EventInvalid) -> tuple[Any, ...]:
    topic, partition, offset, sent_us, key, value = message
    date = sent_us // DAY
    return topic, partition, offset, sent_us, date, error.reason, error.field, error.detail, key, value


def input_topics(kafka: KafkaSettings) -> dict[str, tuple[str, str]]:
    """Kind → (topic as configured, its default name)."""
    return {
        "requests": (kafka.requests_topic, topics.REQUESTS),
        "signals": (kafka.signals_topic, topics.SIGNALS),
        "outcomes": (kafka.outcomes_topic, topics.OUTCOMES),
        "consents": (kafka.consents_topic, topics.CONSENTS),
    }


def _dead_letters(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    schema = KIND_SCHEMAS[_DEAD]
    columns = {name: list(given) for name, given in zip(schema, zip(*rows, strict=True), strict=True)}
    received = pl.Series(columns.pop("received_at"), dtype=pl.Int64)
    dates = columns.pop("date")
    plain = [pl.Series(name, given, dtype=schema[name]) for name, given in columns.items()]
    frame = pl.DataFrame(
        [*plain, moment("received_at", received), pl.Series("date", dates, dtype=pl.Int32).cast(pl.Date)]
    )
    return frame.select(schema.names())
