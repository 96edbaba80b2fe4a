"""Recordings: envelopes, bare events, broken lines, compressed files."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import topics
from streams.recordings import RawEvent, RecordingInvalid, read_recording, write_recording
from streams.routing import infer_topic

REQUEST = {"event_id": "e1", "request_id": "r1", "session_id": "s1", "feature": "f", "occurred_at": 1}
SIGNAL = {"event_id": "e2", "session_id": "s1", "kind": "copy", "occurred_at": 1}
OUTCOME = {
    "event_id": "e3",
    "request_id": "r1",
    "kind": "ticket_reopened",
    "success": False,
    "occurred_at": 1,
}
CONSENT = {"event_id": "e4", "user_id": "u1", "scope": "training", "granted": True, "occurred_at": 1}


def lines(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in rows))
    return path


@pytest.mark.parametrize(
    ("fields", "topic"),
    [
        (REQUEST, topics.REQUESTS),
        (SIGNAL, topics.SIGNALS),
        (OUTCOME, topics.OUTCOMES),
        (CONSENT, topics.CONSENTS),
        # An outcome may be called like a signal; what only outcomes have decides.
        ({**OUTCOME, "kind": "accept"}, topics.OUTCOMES),
        ({"event_id": "e", "session_id": "s", "kind": "kept", "supersedes": "e0"}, topics.OUTCOMES),
        # Not guessed: a misspelt signal and an outcome without success look alike.
        ({**SIGNAL, "kind": "thumb"}, None),
        ({**REQUEST, "kind": "copy"}, None),
        ({**REQUEST, **CONSENT}, None),
        ({"event_id": "e"}, None),
        ({**SIGNAL, "kind": ["copy"]}, None),
    ],
)
def test_the_topic_of_a_bare_event_follows_from_its_fields(fields: dict[str, Any], topic: str | None) -> None:
    assert infer_topic(fields) == topic


def test_bare_events_travel_byte_for_byte_with_the_usual_key(tmp_path: Path) -> None:
    odd = b'{"kind" : "copy","session_id":"s1",  "value": 1.0, "big": 123456789012345678901234567890}'
    path = lines(tmp_path, REQUEST, odd, OUTCOME, CONSENT)
    events = list(read_recording(path))
    assert [e.topic for e in events] == [topics.REQUESTS, topics.SIGNALS, topics.OUTCOMES, topics.CONSENTS]
    assert [e.key for e in events] == [b"s1", b"s1", b"r1", b"u1"]
    assert events[1].value == odd


def test_envelopes(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        {"topic": topics.SIGNALS, "key": "k", "value": SIGNAL},
        {"topic": topics.SIGNALS, "value": SIGNAL},
        {"topic": topics.REQUESTS, "key": "k", "value": None},
        {"topic": topics.REQUESTS, "key": "k", "value_base64": "/wAg"},
        {"topic": topics.REQUESTS, "key": None, "value": {"session_id": "s1"}},
        {"topic": "any.other", "key": "k", "value": 3, "offset": 12},
        b'{"topic": "t", "key": "k", "value": { "a" : 1.0 } }',
    )
    events = list(read_recording(path))
    assert events[0] == RawEvent(topics.SIGNALS, b"k", json.dumps(SIGNAL).encode())
    assert events[1].key == b"s1"
    assert events[2] == RawEvent(topics.REQUESTS, b"k", None)
    assert events[3] == RawEvent(topics.REQUESTS, b"k", b"\xff\x00 ")
    assert events[4].key is None
    assert events[5] == RawEvent("any.other", b"k", b"3")
    assert events[6].value == b'{ "a" : 1.0 }'


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b"not json", "not a JSON object"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"a": "\xff"}', "do not say which topic"),
        (b"[" * 200_000, "not a JSON object"),
        (b'{"feature": ' + b"[" * 200_000, "not a JSON object"),
        ({**SIGNAL, "kind": "thumb"}, "do not say which topic"),
        ({"topic": 3, "value": {}}, "topic is not a string"),
        ({"topic": "", "value": {}}, "topic is empty"),
        ({"topic": "t", "key": 5, "value": {}}, "key is not a string"),
        ({"topic": "t", "value_base64": "!"}, "not base64"),
        ({"topic": "t", "value": 1, "value_base64": "AA=="}, "both"),
    ],
)
def test_lines_that_do_not_say_where_they_belong(tmp_path: Path, row: Any, words: str) -> None:
    path = lines(tmp_path, SIGNAL, b"", row)
    reader = read_recording(path)
    assert next(reader).topic == topics.SIGNALS
    with pytest.raises(RecordingInvalid, match=words) as raised:
        next(reader)
    assert str(raised.value).startswith(f"{path}:3: ")
    assert raised.value.hint


def test_with_a_topic_broken_lines_go_out_as_they_are(tmp_path: Path) -> None:
    rows = [b"not json", b'{"a": "\xff"}', b"[1, 2]", b'{"kind": "thumb", "session_id": "s9"}']
    events = list(read_recording(lines(tmp_path, *rows), topic=topics.SIGNALS))
    assert [e.value for e in events] == rows
    assert {e.topic for e in events} == {topics.SIGNALS}
    assert [e.key for e in events] == [None, None, None, b"s9"]


def test_compressed_files_are_recognised_by_content(tmp_path: Path) -> None:
    path = tmp_path / "events.bin"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps(SIGNAL).encode() + b"\r\n\r\n"))
    assert [e.key for e in read_recording(path)] == [b"s1"]


def test_unreadable_files_are_one_clear_error(tmp_path: Path) -> None:
    missing = tmp_path / "none.jsonl"
    with pytest.raises(RecordingInvalid, match="No such file"):
        list(read_recording(missing))
    with pytest.raises(RecordingInvalid, match="directory"):
        list(read_recording(tmp_path))
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"kind":"copy","session_id":"s"}\n' * 5000)[:-30])
    with pytest.raises(RecordingInvalid, match=r"cut\.jsonl\.gz:\d+: cannot be read"):
        list(read_recording(cut))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
VALUES = st.none() | st.binary(max_size=60) | ANY_JSON.map(lambda v: json.dumps(v, indent=1).encode())


@given(
    rows=st.lists(
        st.builds(
            RawEvent,
            topic=st.sampled_from(topics.INPUT_TOPICS),
            key=st.none() | st.text(max_size=9).map(lambda t: t.encode("utf-8", "ignore")),
            value=VALUES | st.sampled_from([b"null", b" 1 ", b"\xff\xfe", b"", b"\n"]),
        ),
        max_size=8,
    ),
    compressed=st.booleans(),
)
def test_what_is_written_reads_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, rows: list[RawEvent], compressed: bool
) -> None:
    path = tmp_path_factory.mktemp("r") / ("r.jsonl.gz" if compressed else "r.jsonl")
    assert write_recording(path, iter(rows)) == len(rows)
    assert list(read_recording(path)) == rows
    before = path.read_bytes()
    write_recording(path, rows)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_recording(path, [RawEvent(topics.SIGNALS, b"k", b"1")])
    before = path.read_bytes()

    def broken() -> Any:
        yield RawEvent(topics.SIGNALS, b"k", b"2")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_recording(path, broken())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.jsonl"]


def test_reading_streams(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    row = {"topic": topics.REQUESTS, "key": "k", "value": {"prompt": "x" * 2000}}
    path.write_text((json.dumps(row) + "\n") * 5000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_recording(path)) == 5000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
