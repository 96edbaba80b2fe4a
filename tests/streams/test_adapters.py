"""Adapters: real human dialogues told as events, text for text."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts import topics, validation
from contracts.chat import chat_turns
from contracts.events import Event
from contracts.messages import normalize
from streams.adapters import ADAPTERS, AdapterOptions
from streams.recordings import RawEvent, RecordingInvalid, read_recording, write_recording
from streams.routing import key_of

NOW_US = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * validation.SECOND

TURNS = {
    "prompt": [{"role": "user", "content": " hi\n"}],
    "chosen": [{"role": "assistant", "content": "good"}],
}
TURNS["rejected"] = [{"role": "assistant", "content": "bad "}]


def decode(event: RawEvent) -> Any:
    """The event as the worker would decode it; every rule of the contract applied."""
    import msgspec

    kind = topics.EVENT_TYPES[event.topic]
    decoded: Event = validation.decode_json(msgspec.json.Decoder(kind), event.value, max_bytes=1 << 20)
    validation.check(decoded, now_us=NOW_US)
    if event.topic == topics.REQUESTS:
        normalize(decoded.input_messages, None, role="user", field="input_messages")  # type: ignore[union-attr]
    assert event.key == key_of(decoded).encode()
    return decoded


def sessions(events: list[RawEvent]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for event in events:
        decoded = decode(event)
        found[decoded.session_id].append(decoded)
    return found


def kinds(session: list[Any]) -> list[str]:
    return [getattr(event, "kind", "request") for event in session]


def file_of(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_hh_rows_alternate_between_regeneration_and_correction(tmp_path: Path) -> None:
    rows = [{**TURNS, "id": "a"}, {**TURNS, "id": "b"}, TURNS]
    told = sessions(list(ADAPTERS["hh_rlhf"](file_of(tmp_path, *rows), AdapterOptions())))
    assert [kinds(s) for s in told.values()] == [
        ["request", "regenerate", "request", "accept"],
        ["request", "edit"],
        ["request", "regenerate", "request", "accept"],
    ]
    first, second, third = told.values()
    assert chat_turns(first[0].input_messages) == [{"role": "user", "content": " hi\n"}]
    assert chat_turns(first[0].output_messages) == [{"role": "assistant", "content": "bad "}]
    assert chat_turns(first[2].output_messages) == [{"role": "assistant", "content": "good"}]
    assert first[1].request_id == first[0].request_id
    assert first[3].request_id == first[2].request_id
    assert second[1].text == "good"
    assert third[0].session_id == "hh-rlhf-000003"


def test_options_reach_the_events(tmp_path: Path) -> None:
    path = file_of(tmp_path, *[TURNS] * 3)
    start = datetime(2025, 6, 1, tzinfo=UTC)
    options = AdapterOptions(
        start=start, gap_seconds=60, feature="chat", consent=("training", "eval"), policy_version="v2",
        license="MIT", limit=2,
    )  # fmt: skip
    events = [decode(e) for e in ADAPTERS["hh_rlhf"](path, options)]
    assert len(events) == 6
    assert (events[0].feature, events[0].license) == ("chat", "MIT")
    assert (events[0].consent.scopes, events[0].consent.policy_version) == (["training", "eval"], "v2")
    assert [e.occurred_at for e in events][-2:] == ["2025-06-01T00:01:00+00:00", "2025-06-01T00:01:01+00:00"]
    bare = AdapterOptions(consent=(), gap_seconds=0.5)
    assert decode(next(ADAPTERS["hh_rlhf"](path, bare))).consent is None
    with pytest.raises(ValueError, match="timezone"):
        list(ADAPTERS["hh_rlhf"](path, AdapterOptions(start=datetime(2025, 1, 1))))


def node(name: str, role: str, *replies: Any, **extra: Any) -> dict[str, Any]:
    return {"message_id": name, "role": role, "text": f"text of {name}", "replies": list(replies), **extra}


def test_oasst_replies_come_worst_first_and_carry_the_whole_path(tmp_path: Path) -> None:
    deeper = node(
        "q2", "prompter", node("c", "assistant", rank=1), node("d", "assistant", rank=0, model_name="m"),
        node("gone", "assistant", rank=2, deleted=True), node("unranked", "assistant"),
    )  # fmt: skip
    single = node("q3", "prompter", node("e", "assistant", rank=0))
    tree = node(
        "q1",
        "prompter",
        node("a", "assistant", deeper, rank=0),
        node("b", "assistant", single, rank=2),
        node("z", "assistant", rank=1),
    )
    told = sessions(list(ADAPTERS["oasst"](file_of(tmp_path, {"prompt": tree}), AdapterOptions())))
    assert list(told) == ["oasst-q1", "oasst-q2"]
    root, inner = told.values()
    assert kinds(root) == ["request", "regenerate", "request", "regenerate", "request", "accept"]
    assert [e.request_id.rpartition(":")[2] for e in root[::2]] == ["b", "z", "a"]
    assert [e.request_id for e in root[1::2]] == [e.request_id for e in root[::2]]
    assert chat_turns(inner[0].input_messages) == [
        {"role": "user", "content": "text of q1"},
        {"role": "assistant", "content": "text of a"},
        {"role": "user", "content": "text of q2"},
    ]
    assert [chat_turns(e.output_messages)[0]["content"] for e in inner[::2]] == ["text of c", "text of d"]
    assert [e.model for e in inner[::2]] == [None, "m"]


def test_a_very_deep_tree_is_read(tmp_path: Path) -> None:
    tree = node("root", "assistant")
    for i in range(300):
        tree = node(f"n{i}", "assistant" if i % 2 else "prompter", tree)
    tree = node("top", "prompter", tree, node("x", "assistant", rank=0), node("y", "assistant", rank=1))
    assert len(list(ADAPTERS["oasst"](file_of(tmp_path, {"prompt": tree}), AdapterOptions()))) == 4


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("hh_rlhf", {"prompt": "text"}),
        ("hh_rlhf", {**TURNS, "chosen": [{"role": "assistant"}]}),
        ("hh_rlhf", [1]),
        ("oasst", {"prompt": {"role": "prompter"}}),
        ("oasst", {"no": "prompt"}),
        ("oasst", {"prompt": node("q", "prompter", node("a", "narrator", rank=0))}),
    ],
)
def test_another_shape_is_named_with_file_and_line(tmp_path: Path, name: str, row: Any) -> None:
    path = file_of(tmp_path, row)
    with pytest.raises(RecordingInvalid, match=r"rows\.jsonl:1: ") as raised:
        list(ADAPTERS[name](path, AdapterOptions()))
    assert raised.value.hint
    with pytest.raises(RecordingInvalid, match="cannot be read"):
        list(ADAPTERS[name](tmp_path / "none", AdapterOptions()))


def check_real(events: list[RawEvent]) -> dict[str, list[Any]]:
    """What holds for every adapter on real data."""
    told = sessions(events)
    flat = [event for session in told.values() for event in session]
    assert len({e.event_id for e in flat}) == len(flat)
    assert len({e.user_id for e in flat}) == len(told)
    requests = [e for e in flat if kinds([e]) == ["request"]]
    assert len({e.request_id for e in requests}) == len(requests)
    assert all(e.consent.scopes == ["training"] for e in requests)
    # In order of time, so that a replay does not look late; and dialogues do not overlap.
    times = [validation.parse_time(decode(e).occurred_at, now_us=NOW_US) for e in events]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert [e.session_id for e in flat] == [decode(e).session_id for e in events]
    return told


def test_every_real_hh_pair_is_told_text_for_text(shared_data: Path) -> None:
    path = shared_data / "hh_rlhf_harmless_dev.jsonl"
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    events = list(ADAPTERS["hh_rlhf"](path, AdapterOptions()))
    assert events == list(ADAPTERS["hh_rlhf"](path, AdapterOptions()))
    told = check_real(events)
    assert len(told) == len(rows)
    for number, (row, session) in enumerate(zip(rows, told.values(), strict=True), start=1):
        assert chat_turns(session[0].input_messages) == row["prompt"]
        assert chat_turns(session[0].output_messages) == row["rejected"]
        if number % 2:
            assert chat_turns(session[2].input_messages) == row["prompt"]
            assert chat_turns(session[2].output_messages) == row["chosen"]
        else:
            whole = [turn["content"] for turn in row["chosen"]]
            assert session[1].text == (whole[0] if len(whole) == 1 else None)


def test_every_real_ranking_is_told(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "oasst_en_trees_dev.jsonl"
    events = list(ADAPTERS["oasst"](path, AdapterOptions()))
    told = check_real(events)
    expected: dict[str, list[str]] = {}
    stack = [json.loads(line)["prompt"] for line in path.open(encoding="utf-8")]
    while stack:
        current = stack.pop()
        stack += current["replies"]
        ranked = [r for r in current["replies"] if r.get("rank") is not None and not r["deleted"]]
        if current["role"] == "prompter" and len(ranked) > 1:
            expected[current["message_id"]] = [r["text"] for r in sorted(ranked, key=lambda r: -r["rank"])]
    assert len(expected) == 123
    found = {
        name.removeprefix("oasst-"): [chat_turns(e.output_messages)[0]["content"] for e in session[::2]]
        for name, session in told.items()
    }
    assert found == expected
    signals = Counter(kind for session in told.values() for kind in kinds(session))
    assert signals["accept"] == 123
    assert signals["regenerate"] == sum(len(replies) - 1 for replies in expected.values())
    for session in told.values():
        roles = [message.role for message in session[0].input_messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
    # And the events survive being recorded.
    write_recording(tmp_path / "oasst.jsonl.gz", events)
    assert list(read_recording(tmp_path / "oasst.jsonl.gz")) == events
