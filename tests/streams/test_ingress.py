"""Redaction before anything is stored."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from contracts.messages import decode_messages, output_text
from contracts.settings import KafkaSettings, PrivacySettings
from contracts.topics import REQUESTS, SIGNALS
from streams.decoding import Decoded, Decoder
from streams.identity import Identity
from streams.ingress import make_ingress
from tests.factories import START_US, message, request_event, signal_event

KAFKA = KafkaSettings()
IDENTITY = Identity(b"key", held_out_share=0.0)


def decoded(*events: tuple[str, Any], identity: Identity = IDENTITY) -> Decoded:
    decoder = Decoder(KAFKA, identity, make_ingress(PrivacySettings(redact_at="ingress"), identity))
    messages = [message(topic, event, offset=n) for n, (topic, event) in enumerate(events)]
    decoder.feed(messages, now_us=START_US + 10**9)
    return decoder.take()


def said(frame: pl.DataFrame, column: str = "output_messages") -> list[str | None]:
    return [output_text(decode_messages(stored)) for stored in frame[column]]


def test_texts_are_redacted_in_every_column_and_counted() -> None:
    event = request_event(
        prompt="mail jo@example.com",
        response="done, jo@example.com",
        attributes={"contact": "jo@example.com"},
    )
    result = decoded((REQUESTS, event), (SIGNALS, signal_event(kind="edit", text="done: jo@example.com")))
    assert result.redactions == {"email": 4}
    written = [frame.write_json() for frame in result.frames.values()]
    assert not any("jo@example.com" in text for text in written)
    row = result.frames["requests"].row(0, named=True)
    mark = row["prompt_text"].removeprefix("mail ")
    assert mark.startswith("<EMAIL_")
    assert row["response_text"] == f"done, {mark}"
    assert result.frames["signals"]["text"][0] == f"done: {mark}"


def test_a_value_has_one_placeholder_in_a_session_and_another_elsewhere() -> None:
    def text_of(session: str, number: int, identity: Identity = IDENTITY) -> str | None:
        event = request_event(f"r{number}", session_id=session, response="jo@example.com")
        return said(decoded((REQUESTS, event), identity=identity).frames["requests"])[0]

    assert text_of("s1", 1) == text_of("s1", 2)
    assert text_of("s1", 1) != text_of("s2", 1)
    assert text_of("s1", 1) != text_of("s1", 1, Identity(b"other", held_out_share=0.0))


def test_an_event_is_redacted_alike_whatever_it_is_read_with() -> None:
    first = request_event("r1", response="my phone number is 9266 2044")
    second = request_event("r2", response="so 92662044 it is")
    together = decoded((REQUESTS, first), (REQUESTS, second)).frames["requests"]
    apart = [decoded((REQUESTS, event)).frames["requests"] for event in (first, second)]
    assert said(together) == [said(frame)[0] for frame in apart]


@pytest.mark.parametrize(
    "value",
    [
        b'{"event_id": "e", "prompt": "jo@example.com"}',
        b"jo@example.com is no JSON",
        b'{"prompt": "jo@example.com \xff\xfe"',
    ],
)
def test_dead_letters_hold_no_personal_data_and_otherwise_what_was_sent(value: bytes) -> None:
    letters = decoded((REQUESTS, value)).dead_letters
    before, _, after = value.partition(b"jo@example.com")
    kept = letters["value"][0]
    assert kept.startswith(before + b"<EMAIL_")
    assert kept.endswith(after)


def test_without_it_nothing_changes() -> None:
    event = request_event(response="jo@example.com")
    decoder = Decoder(KAFKA, IDENTITY)
    decoder.feed([message(REQUESTS, event)], now_us=START_US)
    result = decoder.take()
    assert said(result.frames["requests"]) == ["jo@example.com"]
    assert result.redactions == {}
