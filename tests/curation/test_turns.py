"""What of a response is the answer, what belongs to the prompt, and what an edit is an edit of."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from contracts.chat import conversation
from contracts.messages import encode_messages
from curation.turns import TURN_COLUMNS, edited_turns, split_answer, with_turns
from tests.conversations import WORDS, Conversation, conversations

CALL: dict[str, Any] = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "call00001", "type": "function", "function": {"name": "f", "arguments": {}}}],
}
RESULT: dict[str, Any] = {"role": "tool", "content": "42", "tool_call_id": "call00001", "name": "f"}
SAYS: dict[str, Any] = {"role": "assistant", "content": "It is 42."}


def test_the_last_turn_after_a_tool_is_the_answer() -> None:
    assert split_answer([CALL, RESULT, SAYS]) == ([CALL, RESULT], [SAYS])
    assert split_answer([CALL, RESULT, CALL]) == ([CALL, RESULT], [CALL])


def test_other_responses_stay_whole() -> None:
    for turns in ([], [SAYS], [CALL], [SAYS, SAYS], [CALL, RESULT], [CALL, RESULT, SAYS, SAYS]):
        assert split_answer(turns) == ([], turns)


def test_an_edit_leaves_the_calls_of_the_answer_alone() -> None:
    answer = {**CALL, "content": "Let me look."}
    assert edited_turns([], [answer], "Let me see.") == [{**answer, "content": "Let me see."}]


def test_an_edit_is_of_all_that_was_said() -> None:
    spoke = {**CALL, "content": "Let me look."}
    edited = edited_turns([spoke, RESULT], [SAYS], "Let me look.\nIt is 43.")
    assert edited == [{"role": "assistant", "content": "It is 43."}]


def test_an_edit_of_what_was_said_before_the_answer_gives_several_turns() -> None:
    spoke = {**CALL, "content": "Let me look."}
    assert len(edited_turns([spoke, RESULT], [SAYS], "I looked.\nIt is 43.")) == 4


def rows(*talks: Conversation, edit: str | None = None) -> pl.DataFrame:
    return with_turns(
        pl.DataFrame(
            {
                "input_messages": [encode_messages(t.inputs) for t in talks],
                "output_messages": [encode_messages(t.outputs) for t in talks],
                "edit_text": [edit] * len(talks),
            },
            schema_overrides={"edit_text": pl.String},
        )
    )


@given(conversations(), st.none() | WORDS)
def test_prompt_and_answer_are_the_conversation(talk: Conversation, edit: str | None) -> None:
    (row,) = rows(talk, edit=edit).select(TURN_COLUMNS.names()).iter_rows(named=True)
    assert row["turns_problem"] is None
    asked, answered = conversation(talk.inputs, talk.outputs)
    prompt, response = json.loads(row["prompt_turns"]), json.loads(row["response_turns"])
    assert prompt + response == asked + answered
    assert prompt[-1]["role"] in {"user", "tool"}
    assert len(response) == 1
    if edit is None:
        assert row["edit_turns"] is None
    elif len(edited := json.loads(row["edit_turns"])) == 1:
        assert edit.endswith(edited[0]["content"])
        assert edited[0].get("tool_calls") == response[0].get("tool_calls")


def test_rows_that_turns_cannot_hold_say_why() -> None:
    image = '[{"role":"user","parts":[{"type":"uri","uri":"x"}]}]'
    lost = '[{"role":"tool","parts":[{"type":"tool_call_response","response":"x"}]}]'
    good = '[{"role":"assistant","parts":[{"type":"text","content":"x"}]}]'
    made = with_turns(
        pl.DataFrame(
            {"input_messages": [image, lost, None], "output_messages": [good] * 3, "edit_text": ["e"] * 3}
        )
    )
    assert made["turns_problem"].to_list() == ["non_text_parts", "broken_tool_calls", None]
    assert made.select("prompt_turns", "response_turns", "edit_turns").null_count().row(0) == (3, 3, 3)
