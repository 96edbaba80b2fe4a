"""Lines for fine-tuning services, held against what these services publish about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.curation.training.published_rules import PUBLISHED, Line

Change = Callable[[Line], Any]


def lines(folder: Path, kind: str) -> list[Line]:
    """The lines of both splits of a kind; read by every reader of lines the same."""
    found: list[Line] = []
    for file in sorted((folder / "openai" / kind).glob("*.jsonl")):
        text = file.read_bytes().decode("utf-8")
        assert text.splitlines() == text[:-1].split("\n")
        found += map(json.loads, text.splitlines())
    return found


@pytest.mark.parametrize("kind", ["sft", "preference"])
@pytest.mark.parametrize("service", PUBLISHED)
def test_every_line_is_one_that_the_service_takes(folder: Path, kind: str, service: str) -> None:
    found = lines(folder, kind)
    # Fireworks takes files from 3 lines on, OpenAI from 10.
    assert len(found) >= 10
    assert [problem for line in found for problem in PUBLISHED[service](line)] == []


def test_lines_hold_calls_answers_and_functions(tooled: Path) -> None:
    """What the test above looked at had everything in it."""
    for kind in ("sft", "preference"):
        found = lines(tooled, kind)
        talks = [line["messages"] if kind == "sft" else line["input"]["messages"] for line in found]
        assert any(turn["role"] == "tool" for talk in talks for turn in talk)
        assert any(len(turn.get("tool_calls", ())) == 2 for talk in talks for turn in talk)
        assert any(turn["role"] == "system" for talk in talks for turn in talk)
        assert any("tools" in (line if kind == "sft" else line["input"]) for line in found)
        assert any("tools" not in (line if kind == "sft" else line["input"]) for line in found)


def test_what_the_assistant_said_last_is_what_is_learned(tooled: Path) -> None:
    for line in lines(tooled, "sft"):
        weights = [turn.get("weight") for turn in line["messages"] if turn["role"] == "assistant"]
        assert weights == [0] * (len(weights) - 1) + [1]
        assert line["messages"][-1]["role"] == "assistant"


def _call(line: Line) -> Line:
    talk = line["messages"] if "messages" in line else line["input"]["messages"]
    return next(turn for turn in talk if turn.get("tool_calls"))


def _result(line: Line) -> Line:
    talk = line["messages"] if "messages" in line else line["input"]["messages"]
    return next(turn for turn in talk if turn["role"] == "tool")


BROKEN: list[tuple[str, str, Change]] = [
    ("openai", "sft", lambda line: line["messages"][0].update(parts=[])),
    ("openai", "sft", lambda line: line.update(prompt="x")),
    ("openai", "sft", lambda line: line["messages"][-1].update(weight=2)),
    ("openai", "sft", lambda line: _call(line)["tool_calls"][0]["function"].update(arguments={"q": "x"})),
    ("openai", "sft", lambda line: _call(line)["tool_calls"][0].pop("id")),
    ("openai", "sft", lambda line: _result(line).pop("tool_call_id")),
    ("openai", "sft", lambda line: _result(line).update(name="search")),
    ("openai", "sft", lambda line: _result(line).update(content=None)),
    ("openai", "preference", lambda line: line.pop("non_preferred_output")),
    ("openai", "preference", lambda line: line["preferred_output"].append(line["preferred_output"][0])),
    ("openai", "preference", lambda line: line["preferred_output"][0].update(role="user")),
    ("openai", "preference", lambda line: line["input"].update(messages=[])),
    ("openai", "preference", lambda line: line["input"]["tools"][0].pop("type")),
    ("together", "sft", lambda line: line.update(parallel_tool_calls=True)),
    ("together", "sft", lambda line: line["messages"].insert(0, {"role": "user", "content": "x"})),
    ("together", "sft", lambda line: line["messages"].insert(0, {"role": "assistant", "content": "x"})),
    ("together", "preference", lambda line: line["preferred_output"][0].update(content=None)),
    ("together", "preference", lambda line: line["input"]["messages"].append(line["preferred_output"][0])),
    ("fireworks", "sft", lambda line: line["messages"].insert(1, {"role": "system", "content": "x"})),
    ("fireworks", "preference", lambda line: line["preferred_output"][0].update(content=None)),
    (
        "azure",
        "preference",
        lambda line: line["preferred_output"].insert(0, {"role": "user", "content": "x"}),
    ),
]


@pytest.mark.parametrize(("service", "kind", "change"), BROKEN)
def test_the_rules_find_what_is_broken(tooled: Path, service: str, kind: str, change: Change) -> None:
    whole = next(line for line in lines(tooled, kind) if '"tool_call_id"' in json.dumps(line))
    broken = deepcopy(whole)
    change(broken)
    assert PUBLISHED[service](broken)
