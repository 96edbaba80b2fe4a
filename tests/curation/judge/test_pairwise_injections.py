"""Prompt injection in comparisons: the same attempts, in the conversation and in either response."""

from __future__ import annotations

import json

import pytest

from curation.judge.pairwise_prompt import build_messages
from curation.judge.prompt import ChatMessages
from curation.judge.rubrics import load_rubric
from curation.judge.verdicts import JudgeItem
from tests.curation.judge.injections import INJECTIONS, Injection, twins
from tests.curation.judge.test_injections import read_fences

RUBRIC = load_rubric("pairwise", task="pairwise")


def asked(item: JudgeItem, other: JudgeItem) -> ChatMessages:
    """The question which of two items' responses is better, in the first one's conversation."""
    return build_messages(
        item.input_messages,
        item.output_messages,
        other.output_messages,
        RUBRIC,
        key="k" * 64,
        tools=item.tools,
    )


@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda i: i.name)
def test_what_was_recorded_stays_between_fences(injection: Injection) -> None:
    injected, clean = twins(injection)
    expected = asked(clean, clean)
    for messages in (asked(injected, clean), asked(clean, injected), asked(injected, injected)):
        assert messages[0] == expected[0]
        assert [m["role"] for m in messages] == ["system", "user"]
        fence, inside, outside = read_fences(messages[1]["content"])
        assert outside == read_fences(expected[1]["content"])[2]
        assert outside == read_fences(messages[1]["content"], str.splitlines)[2]
        assert fence not in injection.text
    inside = read_fences(asked(injected, injected)[1]["content"])[1]
    as_json = json.dumps(injection.text, ensure_ascii=False)[1:-1]
    assert injection.text in inside or as_json in inside
