"""Redaction at the edge: personal data leaves the texts before anything is stored.

An event is redacted by itself, so that reading it again gives the same row. What ties the events of a
session together is the number of a placeholder: a keyed hash of the session and the value, so the same
address has the same placeholder in prompt, answer and edit, another one in another session, and the number
says nothing about the value to anybody without the key. What only other events of the session give away
(a first name that another request introduced) is not seen here.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

import polars as pl

from contracts.messages import decode_messages, last_user_text, output_text
from contracts.settings import PrivacySettings
from curation.redaction.frame import Cells, redact_frames
from curation.redaction.redactor import Numbering, Redactor
from joiners.light import PROMPT_CHARS, RESPONSE_CHARS
from streams.identity import Identity

_COLUMNS: Final = {
    "requests": {
        "input_messages": "messages",
        "output_messages": "messages",
        "tools": "json",
        "attributes": "json",
    },
    "signals": {"text": "text"},
}
_ROW: Final = "_row"


class Ingress:
    """Redacts decoded frames and dead letters, and counts what it replaced; never what that was."""

    def __init__(self, redactor: Redactor, identity: Identity) -> None:
        self._redactor = redactor
        self._identity = identity
        self._counts: Counter[str] = Counter()
        # Letters of poison are made on another thread.
        self._lock = threading.Lock()

    def rows(self, kind: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of a kind without personal data in any text, those of the light row included."""
        columns = _COLUMNS.get(kind)
        if columns is None or frame.is_empty():
            return frame
        sessions = frame["session_id"]
        redacted = self._redact(frame, columns, lambda row: sessions[row])
        return _with_light_texts(frame, redacted) if kind == "requests" else redacted

    def letters(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Dead letters whose values hold no personal data; still what was sent otherwise, byte for byte."""
        if frame.is_empty():
            return frame
        # Latin-1 takes any bytes and gives them back; what is UTF-8 is read as such.
        texts = [None if value is None else _text(value) for value in frame["value"]]
        given = frame.with_columns(value=pl.Series([t and t[0] for t in texts], dtype=pl.String))
        places = frame.select(pl.format("{}/{}/{}", "topic", "partition", "offset")).to_series()
        new = self._redact(given, {"value": "json"}, lambda row: places[row])["value"]
        values = [
            None if text is None else redacted.encode(text[1])
            for text, redacted in zip(texts, new, strict=True)
        ]
        return frame.with_columns(value=pl.Series(values, dtype=pl.Binary))

    def take_counts(self) -> dict[str, int]:
        """Spans replaced by kind since it was last asked."""
        with self._lock:
            counts, self._counts = dict(self._counts), Counter()
        return counts

    def _redact(
        self, frame: pl.DataFrame, columns: dict[str, str], conversation: Callable[[int], str]
    ) -> pl.DataFrame:
        def number(row: str) -> Numbering:
            return partial(self._identity.placeholder, conversation(int(row)))

        numbered = frame.with_columns(pl.int_range(pl.len()).cast(pl.String).alias(_ROW))
        done = redact_frames([Cells(numbered, columns, _ROW)], self._redactor, number=number)
        with self._lock:
            self._counts.update(done.counts)
        return done.frames[0].drop(_ROW)


def make_ingress(privacy: PrivacySettings, identity: Identity) -> Ingress:
    """The redaction at the edge for the kinds the settings name."""
    return Ingress(Redactor(privacy.redact), identity)


def _text(value: bytes) -> tuple[str, str]:
    """Bytes as text, and the encoding that gives them back."""
    try:
        return value.decode(), "utf-8"
    except UnicodeDecodeError:
        return value.decode("latin-1"), "latin-1"


def _with_light_texts(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Texts of the light row made again from redacted messages, where these changed."""
    columns = []
    for stored, light, text_of, size in (
        ("input_messages", "prompt_text", last_user_text, PROMPT_CHARS),
        ("output_messages", "response_text", output_text, RESPONSE_CHARS),
    ):
        rows = before[stored].ne_missing(after[stored]).arg_true()
        texts = [text_of(decode_messages(after[stored][row])) for row in rows]
        column = after[light]
        columns.append(column.scatter(rows, [text[:size] if text else None for text in texts]))
    return after.with_columns(columns)
