"""The shapes of conversations that chat templates take, and those they refuse."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.turn_rules import (
    WHOLE_SHAPE,
    alternates,
    answers,
    calls_answered,
    holds_nul,
    is_empty,
    shape,
)


def call(*numbers: str) -> dict[str, Any]:
    calls = [{"id": n, "type": "function", "function": {"name": "f", "arguments": {}}} for n in numbers]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def result(number: str) -> dict[str, Any]:
    return {"role": "tool", "content": "", "tool_call_id": number, "name": "f"}


USER = {"role": "user", "content": "u"}
SAID = {"role": "assistant", "content": "a"}


@pytest.mark.parametrize("prompt", ["u", "su", "uau", "suauau", "uct", "uctt", "uctct", "uctau", "suctauct"])
def test_prompts_that_every_template_takes(prompt: str) -> None:
    assert alternates(prompt)


@pytest.mark.parametrize(
    "prompt",
    ["", "s", "uu", "au", "ua", "ssu", "usu", "uauu", "uaau", "uc", "ut", "uctu", "ctu", "?u", "u?", "u\n"],
)
def test_prompts_that_some_template_refuses(prompt: str) -> None:
    assert not alternates(prompt)


@pytest.mark.parametrize("completion", ["a", "c", "cta", "cttc"])
def test_completions_start_and_end_with_the_assistant(completion: str) -> None:
    assert answers(completion)


@pytest.mark.parametrize("completion", ["", "u", "aa", "ua", "ct", "t", "au"])
def test_other_completions_are_refused(completion: str) -> None:
    assert not answers(completion)


@given(st.text("suact?", max_size=7), st.text("suact?", max_size=4))
def test_a_prompt_with_its_one_turn_answer_is_a_whole_conversation(prompt: str, completion: str) -> None:
    whole = re.search(WHOLE_SHAPE, prompt + completion) is not None
    if alternates(prompt) and answers(completion):
        assert whole
    if whole:
        assert alternates((prompt + completion)[:-1])


def template(turns: str) -> bool:
    """Mistral's and Llama 2's rule, put as their templates do: places of turns that count are even for the
    user and odd for the assistant; calls and what tools answer do not count, calls are answered at once."""
    turns = turns.removeprefix("s")
    if re.search("c(?!t)|(?<![ct])t", turns) or (turns and turns[0] in "ct"):
        return False
    if re.search("a[ct]|t+u", turns) or set(turns) - set("uact"):
        return False
    said = [letter for letter in turns if letter in "ua"]
    return bool(said) and all(letter == "ua"[n % 2] for n, letter in enumerate(said)) and turns[-1] in "ut"


@given(st.text("suact", max_size=8))
def test_prompts_are_those_of_the_strictest_templates(prompt: str) -> None:
    assert alternates(prompt) == template(prompt)


def test_shapes_know_who_calls_tools() -> None:
    developer = {"role": "developer", "content": ""}
    assert shape([USER, call("1"), result("1"), SAID, developer]) == "ucta?"
    assert shape([{**USER, "tool_calls": call("1")["tool_calls"]}]) == "?"


@pytest.mark.parametrize(
    ("turns", "fit"),
    [
        ([USER, call("1", "2"), result("2"), result("1"), SAID], True),
        ([USER, call("1")], True),
        ([USER, call("1"), SAID], False),
        ([USER, call("1", "2"), result("1")], False),
        ([USER, call("1"), result("1"), result("1")], False),
        ([USER, call("1", "1"), result("1")], False),
        ([USER, result("1")], False),
        ([USER, call("1"), result("2")], False),
        ([USER, call("1", "2"), result("1"), USER], False),
        ([], True),
    ],
)
def test_every_call_is_answered_once_before_anybody_else_speaks(turns: list[Any], fit: bool) -> None:
    assert calls_answered(turns) is fit


def test_what_must_say_something() -> None:
    assert is_empty({"role": "user", "content": " \n"})
    assert is_empty({"role": "assistant", "content": None})
    assert not is_empty(call("1"))
    assert not is_empty(result("1"))


def test_a_nul_is_found_wherever_a_text_is() -> None:
    assert holds_nul([{"role": "user", "content": "a\x00"}])
    deep = call("1")
    deep["tool_calls"][0]["function"]["arguments"] = {"a": [{"b\x00": 1}]}
    assert holds_nul([deep])
    assert not holds_nul([USER, call("1"), result("1"), {"role": "assistant", "content": None}])
