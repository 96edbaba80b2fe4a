"""Redaction of frames of rows: stored messages stay messages, sessions share placeholders."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.redaction_set.generate import examples
from contracts.messages import decode_messages, encode_messages, text_message
from contracts.settings import PrivacySettings
from curation.redaction import Redactor
from curation.redaction.step import make_redactor, redact, redact_turns

REDACTOR = Redactor()
SAMPLES = [e.text for e in examples("report", repeats=1, seed=8)]
PLAIN = "The capital of Australia is Canberra."
START = datetime(2026, 3, 1, tzinfo=UTC)


def row(n: int, session: str, asked: str, said: str | None, edit: str | None = None) -> dict[str, Any]:
    return {
        "request_id": f"r{n}",
        "session_id": session,
        "occurred_at": START + timedelta(seconds=n),
        "input_messages": encode_messages([text_message("user", asked)]),
        "output_messages": None if said is None else encode_messages([text_message("assistant", said)]),
        "edit_text": edit,
    }


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema_overrides={"output_messages": pl.String, "edit_text": pl.String})


def text(stored: str) -> str:
    ((part,),) = (m.parts for m in decode_messages(stored))
    return str(part["content"])


def test_a_session_shares_placeholders_in_the_order_of_time_whatever_the_order_of_rows() -> None:
    rows = [
        row(2, "s", "as I said, B@example.com", "ok b@example.com", "ok, c@example.com"),
        row(1, "s", "I am a@example.com, not b@example.com", None),
        row(3, "t", "b@example.com", PLAIN),
    ]
    done = redact(frame(rows), REDACTOR)
    assert done.rows["request_id"].to_list() == ["r2", "r1", "r3"]
    assert [text(t) for t in done.rows["input_messages"]] == [
        "as I said, <EMAIL_2>",
        "I am <EMAIL_1>, not <EMAIL_2>",
        "<EMAIL_1>",
    ]
    assert done.rows["edit_text"].to_list() == ["ok, <EMAIL_3>", None, None]
    assert (done.counts, done.changed) == ({"email": 6}, 3)
    mixed = rows[:]
    random.Random(4).shuffle(mixed)
    assert redact(frame(mixed), REDACTOR).rows.sort("request_id").equals(done.rows.sort("request_id"))


def test_rows_without_anything_personal_keep_every_byte() -> None:
    rows = frame([row(n, f"s{n}", PLAIN, PLAIN, PLAIN) for n in range(3)])
    done = redact(rows, REDACTOR)
    assert done.rows.equals(rows)
    assert (done.counts, done.changed) == ({}, 0)


def test_tool_calls_and_results_are_text_and_stay_json() -> None:
    written = (
        '{"customerName": "Maria Garcia",\n "phone": 4915112345678, "note": "a\\njo@example.com", "n": 12}'
    )
    calls = [
        {"type": "tool_call", "id": "1", "name": "f", "arguments": {"mail": "jo@example.com", "n": 1.5}},
        {"type": "tool_call", "id": "2", "name": "f", "arguments": written},
    ]
    answer = {"type": "tool_call_response", "id": "1", "response": [{"a": "jo@example.com"}]}
    messages = [{"role": "assistant", "parts": calls}, {"role": "tool", "parts": [answer]}]
    stored = json.dumps(messages)
    rows = frame([{**row(1, "s", "x", "y"), "input_messages": stored}])
    new = json.loads(redact(rows, REDACTOR).rows["input_messages"][0])
    first, second = new[0]["parts"]
    assert first == {
        "type": "tool_call",
        "id": "1",
        "name": "f",
        "arguments": {"mail": "<EMAIL_1>", "n": 1.5},
    }
    assert second["arguments"] == (
        '{"customerName": "<PERSON_1>",\n "phone": "<PHONE_1>", "note": "a\\n<EMAIL_1>", "n": 12}'
    )
    assert new[1]["parts"][0]["response"] == [{"a": "<EMAIL_1>"}]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(SAMPLES), st.sampled_from([*SAMPLES[::9], PLAIN])), min_size=1, max_size=8
    )
)
def test_what_is_sifted_away_held_nothing(pairs: list[tuple[str, str]]) -> None:
    rows = frame([row(n, f"s{n // 2}", *pair) for n, pair in enumerate(pairs)])
    done = redact(rows, REDACTOR)
    for session, mine in rows.group_by("session_id", maintain_order=True):
        texts = [
            t for pair in zip(mine["input_messages"], mine["output_messages"], strict=True) for t in pair
        ]
        expected, _ = REDACTOR.redact_conversation([text(t) for t in texts])
        got = done.rows.filter(session_id=session[0]).select("input_messages", "output_messages")
        assert [text(t) for pair in got.iter_rows() for t in pair] == expected


def test_final_turns_keep_their_placeholders_and_lose_what_a_rewrite_added() -> None:
    def turns(role: str, content: str) -> str:
        return json.dumps([{"role": role, "content": content}])

    rows = pl.DataFrame(
        {
            "session_id": ["s"],
            "occurred_at": [START],
            "request_ids": [["r"]],
            "prompt": [turns("user", "mail <EMAIL_1>")],
            "chosen": [turns("assistant", "I wrote to <EMAIL_1> and new@example.com")],
            "rejected": [None],
        },
        schema_overrides={"rejected": pl.String},
    )
    done = redact_turns(rows, REDACTOR)
    assert json.loads(done.rows["chosen"][0])[0]["content"] == "I wrote to <EMAIL_1> and <EMAIL_2>"
    assert done.rows["prompt"].equals(rows["prompt"])


def test_settings_choose_the_kinds_or_turn_it_off() -> None:
    assert make_redactor(PrivacySettings(redact_at="off")) is None
    chosen = make_redactor(PrivacySettings(redact=["email", "iban"]))
    assert chosen is not None
    assert chosen.kinds == ("email", "iban")
    everything = make_redactor(PrivacySettings(redact_at="ingress"))
    assert everything is not None
    assert everything.transform == REDACTOR.transform
