"""Recordings: events in a file, one JSON object a line, for `tailrace replay`.

A line is either

- an envelope, ``{"topic": "llm.requests", "key": "s1", "value": {…}}``, with ``"value_base64"`` instead
  of ``"value"`` for bytes that are not JSON, and ``"value": null`` for a tombstone; without a `key` it
  is taken from the value;
- or a bare event, ``{"event_id": …}``, whose topic follows from its fields (see
  `streams.routing.infer_topic`) unless one is given.

Values travel byte for byte as they stand in the line. Files may be gzip-compressed (recognised by
content). Reading is line by line: memory does not grow with the file.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

import msgspec

from contracts.errors import TerminalError
from streams.routing import infer_topic, key_of_fields

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_decode_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class RawEvent(NamedTuple):
    """One Kafka message: input topic as the contract names it, key and value as bytes or None."""

    topic: str
    key: bytes | None
    value: bytes | None


class RecordingInvalid(TerminalError):
    """A recording cannot be read; the message begins with ``file:line``."""


def read_recording(path: Path, *, topic: str | None = None) -> Iterator[RawEvent]:
    """The events of a recording, in order, one line at a time.

    `topic` is where bare events go whatever their fields; with it a line that is not JSON is sent on
    as it is (that is how broken events are replayed). Blank lines are skipped. Raises
    `RecordingInvalid` for a file that cannot be read and for a line that does not say where it belongs.
    """
    number = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):
                text = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
                if text:
                    yield _read_line(text, topic, f"{path}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        detail = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise RecordingInvalid(
            f"{path}:{number + 1}: cannot be read: {detail}",
            hint="Check that the file exists, is readable and was copied whole.",
        ) from None


def write_recording(path: Path, events: Iterable[RawEvent]) -> int:
    """Write events as envelopes, gzip-compressed when the name ends in `.gz`; returns how many.

    The file appears under its name only when complete, and the same events give the same bytes.
    """
    unfinished = path.with_name(path.name + ".part")
    count = 0
    try:
        with closing(_create(unfinished, compressed=path.suffix == ".gz")) as out:
            for event in events:
                out.write(_envelope(event))
                count += 1
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
    return cast(IO[bytes], gzip.open(path)) if compressed else path.open("rb")


def _create(path: Path, *, compressed: bool) -> IO[bytes]:
    # No name and no time in the gzip header: same events, same bytes.
    file = path.open("wb")
    return cast(IO[bytes], _OwningGzip(file)) if compressed else file


class _OwningGzip(gzip.GzipFile):
    """A gzip writer that closes the file it writes to."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
        self._file = file

    def close(self) -> None:
        super().close()
        self._file.close()


def _read_line(line: bytes, topic: str | None, place: str) -> RawEvent:
    try:
        fields = _decode_fields(line)
    except (msgspec.DecodeError, RecursionError, ValueError):
        if topic is not None:
            return RawEvent(topic, None, line)
        raise RecordingInvalid(
            f"{place}: not a JSON object",
            hint="Correct the line, or name its topic with --topic to send it as it is.",
        ) from None
    if "topic" in fields and ("value" in fields or "value_base64" in fields):
        return _read_envelope(fields, place)
    return _read_bare(line, topic, place)


def _read_envelope(fields: dict[str, msgspec.Raw], place: str) -> RawEvent:
    topic = _text(fields["topic"], "topic", place)
    if not topic:
        raise RecordingInvalid(f"{place}: the topic is empty", hint="Name the topic of the event.")
    if "value" in fields and "value_base64" in fields:
        raise RecordingInvalid(f"{place}: both value and value_base64", hint="Keep one of the two.")
    value: bytes | None
    if "value" in fields:
        raw = bytes(fields["value"]).strip()
        value = None if raw == b"null" else raw
    else:
        encoded = _text(fields["value_base64"], "value_base64", place)
        try:
            value = base64.b64decode(encoded or "", validate=True)
        except binascii.Error:
            raise RecordingInvalid(
                f"{place}: value_base64 is not base64", hint="Use the standard alphabet with padding."
            ) from None
    if "key" in fields:
        text = _text(fields["key"], "key", place)
        return RawEvent(topic, None if text is None else text.encode(), value)
    return RawEvent(topic, _key(value, topic), value)


def _read_bare(line: bytes, topic: str | None, place: str) -> RawEvent:
    if topic is None:
        try:
            topic = infer_topic(_decode_any(line))
        except (msgspec.DecodeError, RecursionError, ValueError):
            topic = None
        if topic is None:
            raise RecordingInvalid(
                f"{place}: its fields do not say which topic it belongs to",
                hint='Name the topic with --topic, or wrap the line as {"topic": …, "value": …}.',
            )
    return RawEvent(topic, _key(line, topic), line)


def _key(value: bytes | None, topic: str) -> bytes | None:
    """The key a well-behaved producer would have used, when the value tells."""
    if value is None:
        return None
    try:
        fields: Any = _decode_any(value)
        key = key_of_fields(fields, topic) if isinstance(fields, dict) else None
        return None if key is None else key.encode()
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None


def _text(raw: msgspec.Raw, name: str, place: str) -> str | None:
    try:
        return msgspec.json.decode(raw, type=str | None)
    except (msgspec.DecodeError, ValueError):
        raise RecordingInvalid(f"{place}: {name} is not a string", hint=f"Give {name} as text.") from None


def _envelope(event: RawEvent) -> bytes:
    envelope: dict[str, Any] = {"topic": event.topic, "key": None}
    if event.key is not None:
        try:
            envelope["key"] = event.key.decode()
        except UnicodeDecodeError:
            raise RecordingInvalid(
                f"a key of {event.topic} is not UTF-8 and cannot be recorded", hint="Keys are ids: text."
            ) from None
    if event.value is None:
        envelope["value"] = None
    elif _embeddable(event.value):
        envelope["value"] = msgspec.Raw(event.value)
    else:
        envelope["value_base64"] = base64.b64encode(event.value).decode()
    return _encode(envelope) + b"\n"


def _embeddable(value: bytes) -> bool:
    """Whether the bytes can stand in the line as they are: one line of valid JSON, and not a bare
    `null` or padded, which would come back as something else."""
    if b"\n" in value or b"\r" in value or value == b"null" or value != value.strip():
        return False
    try:
        _decode_any(value)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return False
    return True
