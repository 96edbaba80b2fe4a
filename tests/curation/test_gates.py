"""No bad row passes the gate on final text, whatever conversation it was made from."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.chat import Turn, TurnsUnusable, conversation
from contracts.messages import encode_messages
from contracts.settings import CurationSettings
from curation.gates import final_text
from curation.steps import StepResult
from curation.turns import edited_turns, split_answer, with_turns
from sinks.drops.checks import fit
from tests.conversations import WORDS, Conversation, calls, conversations, outputs, text
from tests.curation.final_rows import final_row, final_rows, turns

ROW: dict[str, Any] = {"edit_ratio": 0.3, "edit_class": "corrective", "turns_problem": None, "label": None}


def gated(*rows: dict[str, Any]) -> StepResult:
    made = [{key: row.get(key, default) for key, default in ROW.items()} for row in rows]
    extra = pl.DataFrame(
        made,
        schema={
            "edit_ratio": pl.Float64,
            "edit_class": pl.String,
            "turns_problem": pl.String,
            "label": pl.Boolean,
        },
    )
    base = final_rows([{k: v for k, v in row.items() if k not in ROW} for row in rows])
    return final_text("pairs", base.hstack(extra), CurationSettings())


def side(*turns: Turn) -> str:
    return json.dumps(turns)


def says(text: str, *arguments: dict[str, Any]) -> Turn:
    turn: Turn = {"role": "assistant", "content": text}
    calls = [
        {"id": f"call{n:05d}", "type": "function", "function": {"name": "f", "arguments": a}}
        for n, a in enumerate(arguments, 1)
    ]
    return {**turn, "tool_calls": calls} if calls else turn


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        (side(says("yes")), side(says("no")), None),
        (side(says("", {"q": 1})), side(says("no")), None),
        (side(says("", {"q": 1})), side(says("", {"q": 2})), None),
        (side(says("same")), side(says("same")), "identical_sides"),
        (side(says("a  b\n")), side(says("\ta b")), "identical_sides"),
        (side(says("", {"a": 1, "b": 2})), side(says("", {"b": 2, "a": 1})), "identical_sides"),
        (side(says(" ", {"a": 1})), side(says("", {"a": 1})), "identical_sides"),
        (side(says("x", {"a": 1})), side(says("y", {"a": 1})), None),
        (side(says(" \n")), side(says("no")), "empty_side"),
        (side(says("yes")), side(says("")), "empty_side"),
        (side(says("yes"), says("yes")), side(says("no")), "several_turns"),
        (side(says("yes")), side(), "several_turns"),
        (None, side(says("no")), "non_text_parts"),
        (side(says("yes")), None, "non_text_parts"),
    ],
)
def test_sides(chosen: str | None, rejected: str | None, reason: str | None) -> None:
    row = {**final_row("r"), "chosen": chosen, "rejected": rejected}
    assert gated(row).refused["reason"].to_list() == ([] if reason is None else [reason])


def test_broken_calls_are_told_apart_from_lost_parts() -> None:
    lost = {**final_row("a"), "prompt": None, "turns_problem": "non_text_parts"}
    broken = {**final_row("b"), "prompt": None, "turns_problem": "broken_tool_calls"}
    assert gated(lost, broken).refused["reason"].to_list() == ["non_text_parts", "broken_tool_calls"]


@st.composite
def pairs(draw: st.DrawFn) -> dict[str, Any]:
    """A pair as `curation.pairs` makes them, or one that was put together wrongly."""
    talk: Conversation = draw(conversations())
    asked, rejected = conversation(talk.inputs, talk.outputs)
    before, answer = split_answer(rejected)
    kind = draw(st.sampled_from(["edit", "same", "other", "whole", "spaced"]))
    if kind == "edit":
        chosen = edited_turns(before, answer, draw(WORDS))
    elif kind == "same":
        chosen = answer
    elif kind == "spaced":
        chosen = [{**answer[0], "content": f" {answer[0]['content']}\n"}]
    else:
        try:
            _, chosen = conversation(talk.inputs, draw(outputs()))
        except TurnsUnusable:
            chosen = []
        chosen = chosen if kind == "whole" else split_answer(chosen)[1]
    sides = {"prompt": [*asked, *before], "chosen": chosen, "rejected": answer}
    return {**final_row("r"), **{name: json.dumps(turns) for name, turns in sides.items()}}


@given(pairs())
def test_no_bad_pair_passes(row: dict[str, Any]) -> None:
    result = gated(row)
    assert result.kept.height + result.refused.height == 1
    # What the gate lets through, no check of a drop's files refuses.
    assert fit(result.kept).all()
    for kept in result.kept.iter_rows(named=True):
        prompt, chosen, rejected = (json.loads(kept[name]) for name in ("prompt", "chosen", "rejected"))
        assert kept["prompt"] == row["prompt"]
        assert prompt[-1]["role"] in {"user", "tool"}
        (good,), (bad,) = chosen, rejected
        for turn in (good, bad):
            assert turn["role"] == "assistant"
            assert turn["content"].strip() or turn["tool_calls"]
        assert squeezed(good) != squeezed(bad)


def squeezed(turn: Turn) -> tuple[list[str], list[Any]]:
    """Words and calls, ids left out: what a model would learn."""
    return turn["content"].split(), [c["function"] for c in turn.get("tool_calls") or ()]


ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", "critic"])


@st.composite
def wild_rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row from messages in any order, by anybody, saying anything or nothing."""
    said = st.builds(text, ROLES, WORDS | st.sampled_from(["", " \n", "a\x00b"]))
    runs = st.one_of(said.map(lambda one: [one]), calls(), calls(answered=False))
    inputs = [message for run in draw(st.lists(runs, max_size=4)) for message in run]
    outputs = [message for run in draw(st.lists(runs, min_size=1, max_size=2)) for message in run]
    inputs_json, outputs_json = (encode_messages(messages) for messages in (inputs, outputs))
    frame = pl.DataFrame(
        {"input_messages": [inputs_json], "output_messages": [outputs_json], "edit_text": ["x"]}
    )
    (made,) = with_turns(frame).iter_rows(named=True)
    paired = draw(st.booleans())
    return {
        **final_row("r"),
        "kind": "preference" if paired else "unpaired",
        "prompt": made["prompt_turns"],
        "chosen": made["edit_turns"] if paired else None,
        "rejected": made["response_turns"],
        "label": None if paired else False,
        "turns_problem": made["turns_problem"],
    }


@settings(max_examples=15)
@given(st.lists(wild_rows(), min_size=1, max_size=8))
def test_what_the_gate_lets_through_passes_the_checks_of_a_drop(rows: list[dict[str, Any]]) -> None:
    result = gated(*(row | {"request_ids": [f"r{n}"]} for n, row in enumerate(rows)))
    assert fit(result.kept).all()
    assert result.kept.height + result.refused.height == len(rows)
    # And it refuses nothing else but what it alone knows.
    more = {"several_turns", "identical_sides", "edit_rewrite"}
    refused = result.refused.filter(~pl.col("reason").is_in(more))
    numbers = [int(ids[0][1:]) for ids in refused["request_ids"]]
    assert not fit(as_rows([rows[n] for n in numbers])).any()


def as_rows(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as `fit` takes them."""
    names = ("kind", "prompt", "chosen", "rejected")
    made = [{name: row[name] for name in names} for row in rows]
    return pl.DataFrame(made, schema=dict.fromkeys(names, pl.String))


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ([("system", "s"), ("user", "u")], None),
        ([("user", "u"), ("assistant", "a"), ("user", "u")], None),
        ([("user", "u"), ("user", "u")], "roles_do_not_alternate"),
        ([("assistant", "a"), ("user", "u")], "roles_do_not_alternate"),
        ([("user", "u"), ("system", "s"), ("user", "u")], "roles_do_not_alternate"),
        ([("system", "s"), ("system", "s"), ("user", "u")], "roles_do_not_alternate"),
        ([("critic", "c"), ("user", "u")], "roles_do_not_alternate"),
        ([("user", "u"), ("assistant", "a")], "prompt_end"),
        ([("user", " ")], "empty_turn"),
        ([("system", ""), ("user", "u")], "empty_turn"),
        ([("user", "a\x00b")], "nul_character"),
    ],
)
def test_prompts(prompt: list[tuple[str, str]], reason: str | None) -> None:
    result = gated({**final_row("r"), "prompt": turns(*prompt)})
    assert result.refused["reason"].to_list() == ([] if reason is None else [reason])
    if reason == "roles_do_not_alternate":
        assert result.refused["detail"].str.contains(r"^turns [sua?]+$").all()
