"""The emitter over the real protocol: what is sent arrives, what is wrong never leaves."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import typing
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaConsumer, TopicPartition

from contracts import reasons
from contracts import topics as names
from contracts.errors import EventInvalid
from contracts.events import (
    Behavior,
    ConsentChanged,
    Message,
    OutcomeRecorded,
    RequestLogged,
    SignalObserved,
)
from contracts.settings import KafkaSettings
from contracts.validation import parse_time
from infra.broker import EmbeddedBroker
from streams import event_fields, topics
from streams.emitter import Emitter
from streams.outgoing import prepare
from streams.partitioner import partition_of
from streams.routing import topic_names

CHECKOUT = Path(__file__).parents[2]
MINIMAL: dict[str, Any] = {"request_id": "r1", "feature": "support"}
BAD_BEHAVIOR = Behavior(model_version=3)  # type: ignore[arg-type]
PART_WITHOUT_TEXT = [{"role": "assistant", "parts": [{"type": "text"}]}]


@pytest.fixture(scope="module")
def settings(broker: EmbeddedBroker) -> KafkaSettings:
    tag = uuid.uuid4().hex[:10]
    made = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers,
        **{f"{name}_topic": f"{name}-{tag}" for name in ("requests", "signals", "outcomes", "consents")},
    )
    topics.apply(made)
    return made


@pytest.fixture
def emitter(settings: KafkaSettings) -> Iterator[Emitter]:
    with Emitter(settings=settings) as opened:
        yield opened


def read(settings: KafkaSettings, topic: str, wanted: Callable[[Any], bool], count: int) -> list[Any]:
    """`count` messages of a topic that satisfy `wanted`; fails when they do not come within 10 s."""
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest")
    try:
        consumer.assign([TopicPartition(topic, p) for p in range(settings.partitions)])
        consumer.seek_to_beginning()
        found: list[Any] = []
        deadline = time.monotonic() + 10
        while len(found) < count and time.monotonic() < deadline:
            for batch in consumer.poll(200).values():
                found += [m for m in batch if wanted(m)]
        assert len(found) == count
        return found
    finally:
        consumer.close()


def test_each_event_reaches_its_topic_keyed_by_session(settings: KafkaSettings, emitter: Emitter) -> None:
    session = f"s-{uuid.uuid4()}"
    sent = {
        names.REQUESTS: emitter.request(
            **MINIMAL,
            session_id=session,
            prompt="Wo ist mein Paket?",
            response="日本語 \U0001f4e6",
            behavior={"model_version": "m1"},
            input_messages=None,
        ),
        names.SIGNALS: emitter.signal(session_id=session, request_id="r1", kind="thumbs", value=-1),
        names.OUTCOMES: emitter.outcome(session_id=session, kind="ticket_reopened", success=False),
        names.CONSENTS: emitter.consent(user_id=session, scope="training", granted=True),
    }
    emitter.flush()
    partitions = set()
    for topic, event_id in sent.items():
        (message,) = read(settings, topic_names(settings)[topic], lambda m: m.key == session.encode(), 1)
        event = msgspec.json.decode(message.value, type=names.EVENT_TYPES[topic])
        assert event.event_id == event_id
        partitions.add(message.partition)
    assert partitions == {partition_of(session.encode(), settings.partitions)}
    assert emitter.counts().delivered == 4


def test_structs_are_accepted(settings: KafkaSettings, emitter: Emitter) -> None:
    tag = uuid.uuid4().hex
    now = int(time.time() * 1000)
    emitter.request(RequestLogged(event_id=f"e-{tag}", request_id=tag, occurred_at=now, feature="f"))
    emitter.signal(SignalObserved(event_id=f"f-{tag}", session_id=tag, occurred_at=now, kind="copy"))
    emitter.outcome(OutcomeRecorded(event_id=f"g-{tag}", request_id=tag, occurred_at=now, kind="kept"))
    emitter.consent(
        ConsentChanged(event_id=f"h-{tag}", user_id=tag, scope="training", granted=False, occurred_at=now)
    )
    emitter.flush()
    for topic in topic_names(settings).values():
        # Without a session the request id is the key.
        (message,) = read(settings, topic, lambda m: m.key == tag.encode(), 1)
        assert msgspec.json.decode(message.value)["occurred_at"] == now


@pytest.mark.parametrize(
    ("given", "expected_us"),
    [
        (datetime(2025, 3, 1, 12, tzinfo=UTC), 1_740_830_400_000_000),
        (datetime(2025, 3, 1, 14, 0, 0, 7, tzinfo=timezone(timedelta(hours=2))), 1_740_830_400_000_007),
        ("2025-03-01T12:00:00Z", 1_740_830_400_000_000),
        (1_740_830_400_000, 1_740_830_400_000_000),
    ],
)
def test_times_may_be_given_in_three_ways(given: Any, expected_us: int) -> None:
    now_us = time.time_ns() // 1000
    ready = prepare(RequestLogged, None, {**MINIMAL, "occurred_at": given}, now_us=now_us, max_bytes=1 << 20)
    decoded = msgspec.json.decode(ready.value, type=RequestLogged)
    assert parse_time(decoded.occurred_at, now_us=now_us) == expected_us


def test_id_and_time_default_to_fresh_and_now() -> None:
    now_us = 1_750_000_000_123_456
    made = [prepare(RequestLogged, None, MINIMAL, now_us=now_us, max_bytes=1 << 20) for _ in range(2)]
    assert made[0].event_id != made[1].event_id
    assert msgspec.json.decode(made[0].value)["occurred_at"] == "2025-06-15T15:06:40.123456+00:00"
    assert made[0].key == b"r1"


def test_fresh_ids_do_not_repeat_in_forked_children_or_seeded_programs() -> None:
    code = (
        "import os, random; random.seed(1)\n"
        "from contracts.events import SignalObserved as S; from streams.outgoing import prepare\n"
        "def one(): return prepare(S, None, {'session_id': 's', 'kind': 'copy'},"
        " now_us=1_750_000_000_000_000, max_bytes=9999).event_id\n"
        # One write each: two processes share the pipe.
        "one(); child = os.fork(); os.write(1, one().encode() + b'\\n'); child and os.wait()\n"
    )
    runs = [subprocess.check_output([sys.executable, "-c", code], cwd=CHECKOUT) for _ in range(2)]
    ids = b"".join(runs).split()
    assert len(set(ids)) == len(ids) == 4
    assert {uuid.UUID(i.decode()).version for i in ids} == {4}


DEEP: Any = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("method", "fields", "reason", "field"),
    [
        ("request", {"feature": "f"}, reasons.SCHEMA, ""),
        ("request", {**MINIMAL, "feature": 7}, reasons.SCHEMA, "$.feature"),
        ("request", {**MINIMAL, "prompt": b"bytes"}, reasons.SCHEMA, "$.prompt"),
        ("request", {**MINIMAL, "request_id": ""}, reasons.SCHEMA, "$.request_id"),
        ("request", {**MINIMAL, "request_id": "x" * 257}, reasons.SCHEMA, "$.request_id"),
        ("request", {**MINIMAL, "session_id": "a\x00b"}, reasons.CONTROL_CHARACTER, "$.session_id"),
        ("request", {**MINIMAL, "occurred_at": datetime(2025, 1, 1)}, reasons.TIME_FORMAT, "$.occurred_at"),
        ("request", {**MINIMAL, "occurred_at": "yesterday"}, reasons.TIME_FORMAT, "$.occurred_at"),
        ("request", {**MINIMAL, "occurred_at": 3}, reasons.TIME_RANGE, "$.occurred_at"),
        ("request", {**MINIMAL, "occurred_at": True}, reasons.SCHEMA, "$.occurred_at"),
        ("request", {**MINIMAL, "latency_ms": -1}, reasons.SCHEMA, "$.latency_ms"),
        ("request", {**MINIMAL, "behavior": BAD_BEHAVIOR}, reasons.SCHEMA, "$.behavior.model_version"),
        ("request", {**MINIMAL, "prompt": "x" * (1 << 20)}, reasons.TOO_LARGE, ""),
        ("request", {**MINIMAL, "prompt": "my secret \ud800"}, reasons.INVALID_UTF8, ""),
        ("request", {**MINIMAL, "parameters": {"deep": DEEP}}, reasons.TOO_DEEP, ""),
        ("request", {**MINIMAL, "parameters": {"odd": object()}}, reasons.SCHEMA, ""),
        (
            "request",
            {**MINIMAL, "prompt": "a", "input_messages": [Message(role="user", content="b")]},
            reasons.AMBIGUOUS_TEXT,
            "$.input_messages",
        ),
        (
            "request",
            {**MINIMAL, "output_messages": PART_WITHOUT_TEXT},
            reasons.SCHEMA,
            "$.output_messages[0].parts[0]",
        ),
        ("signal", {"session_id": "s", "kind": "thumb"}, reasons.SCHEMA, "$.kind"),
        ("signal", {"kind": "copy"}, reasons.SCHEMA, ""),
        ("outcome", {"kind": "kept"}, reasons.NO_TARGET, "$.session_id"),
        ("outcome", {"kind": "kept", "session_id": "s", "success": "yes"}, reasons.SCHEMA, "$.success"),
        ("consent", {"user_id": "u", "scope": "training", "granted": 1}, reasons.SCHEMA, "$.granted"),
    ],
)  # fmt: skip
def test_broken_events_are_refused_before_sending(
    emitter: Emitter, method: str, fields: dict[str, Any], reason: str, field: str
) -> None:
    with pytest.raises(EventInvalid) as raised:
        getattr(emitter, method)(**fields)
    assert (raised.value.reason, raised.value.field) == (reason, field)
    assert "secret" not in str(raised.value)
    assert emitter.counts().accepted == 0


def test_misspelt_fields_and_mixed_calls_are_refused(emitter: Emitter) -> None:
    with pytest.raises(TypeError, match="promt"):
        emitter.request(**MINIMAL, promt="typo")  # type: ignore[call-arg]
    event = SignalObserved(event_id="e", session_id="s", occurred_at=1, kind="copy")
    with pytest.raises(TypeError, match="not both"):
        emitter.signal(event, kind="copy")
    with pytest.raises(TypeError, match="expected RequestLogged"):
        emitter.request(event)  # type: ignore[arg-type]


def test_the_typed_arguments_are_the_fields_of_the_contract() -> None:
    for typed, struct in (
        (event_fields.RequestFields, RequestLogged),
        (event_fields.SignalFields, SignalObserved),
        (event_fields.OutcomeFields, OutcomeRecorded),
        (event_fields.ConsentFields, ConsentChanged),
    ):
        assert set(typing.get_type_hints(typed)) == set(struct.__struct_fields__)


def test_a_value_of_exactly_the_limit_passes(settings: KafkaSettings, emitter: Emitter) -> None:
    limit = settings.max_value_bytes
    tag = uuid.uuid4().hex
    fields = {"event_id": tag, "request_id": tag, "feature": "f", "occurred_at": 1_750_000_000_000}
    spare = limit - len(msgspec.json.encode({**fields, "prompt": ""}))
    emitter.request(**fields, prompt="x" * spare)  # type: ignore[arg-type]
    with pytest.raises(EventInvalid, match=reasons.TOO_LARGE):
        emitter.request(**fields, prompt="x" * (spare + 1))  # type: ignore[arg-type]
    emitter.flush()
    (message,) = read(settings, settings.requests_topic, lambda m: m.key == tag.encode(), 1)
    assert len(message.value) == limit


def test_raw_bytes_go_out_unchecked_to_the_configured_topic(
    settings: KafkaSettings, emitter: Emitter
) -> None:
    key = uuid.uuid4().hex.encode()
    oversized = b"{" * (settings.max_value_bytes + 1)
    emitter.send_raw(names.REQUESTS, key, b"\xff\x00 not json")
    emitter.send_raw(names.REQUESTS, key, None)
    emitter.send_raw(settings.requests_topic, key, oversized)
    with pytest.raises(EventInvalid, match="key or a value"):
        emitter.send_raw(names.REQUESTS, None, None)
    with pytest.raises(EventInvalid, match=reasons.TOO_LARGE):
        emitter.send_raw(names.REQUESTS, key, b"x" * (4 * settings.max_value_bytes))
    emitter.flush()
    found = read(settings, settings.requests_topic, lambda m: m.key == key, 3)
    assert [m.value for m in found] == [b"\xff\x00 not json", None, oversized]


def test_many_threads_share_one_emitter(settings: KafkaSettings) -> None:
    session = uuid.uuid4().hex
    # A tiny buffer: senders must wait for the broker, not fail and not grow.
    with Emitter(settings=settings, max_buffered_bytes=4096) as emitter:

        def send(worker: int) -> None:
            for i in range(100):
                emitter.signal(event_id=f"{worker}-{i}", session_id=session, kind="copy")

        threads = [threading.Thread(target=send, args=(w,)) for w in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert emitter.counts().delivered == 800
    found = read(settings, settings.signals_topic, lambda m: m.key == session.encode(), 800)
    assert len({msgspec.json.decode(m.value)["event_id"] for m in found}) == 800
