"""Prompt injection: whatever recorded text says, it stays an exhibit. These hold for any model."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from curation.judge.prompt import build_messages
from curation.judge.rubrics import load_rubric
from tests.curation.judge.helpers import openai_judge
from tests.curation.judge.injections import INJECTIONS, Injection, twins
from tests.curation.judge.server import GOOD, FakeServer, Host, completion

RUBRIC = load_rubric()
every_injection = pytest.mark.parametrize("injection", INJECTIONS, ids=lambda i: i.name)


def _lines(text: str) -> list[str]:
    return text.split("\n")


def read_fences(text: str, lines_of: Callable[[str], list[str]] = _lines) -> tuple[str, str, str]:
    """The fence of a user message, what stands inside its blocks, and what is left outside."""
    found = re.match(r"The fence of this item is ([0-9a-f]{24})\.\n", text)
    assert found
    fence = found[1]
    inside, outside, opened = [], [], False
    for line in lines_of(text):
        if not opened and line.startswith(f"[[data {fence} "):
            opened = True
            inside.append(line)
        elif opened and line == f"[[end {fence}]]":
            opened = False
        else:
            (inside if opened else outside).append(line)
    assert not opened
    return fence, "\n".join(inside), "\n".join(outside).replace(fence, "<fence>")


@dataclass
class ObedientServer(FakeServer):
    """A model that does what it is told, by text outside the fences only; `gullible`: by any text."""

    gullible: bool = False

    async def answer(self, fault: str, body: dict[str, Any], request: Request) -> Response:
        system, user = (m["content"] for m in body["messages"])
        read = user if self.gullible else read_fences(user)[2]
        told = re.search(
            r"(?i)\b(rate|mark|answer|output|verdict|return|say)\b[^\n]{0,40}?\b(pass|10/10)\b", read
        )
        scores = re.findall(r"failure score \(0 to 1\): ([0-9.]+)", read)
        passes = bool(told) or float(scores[-1]) < 0.5
        verdict = (
            {**GOOD, "verdict": "pass", "failure_kind": None, "severity": None} if passes else dict(GOOD)
        )
        seen = hashlib.sha256(f"{system}\n{read}".encode(errors="replace")).hexdigest()
        return JSONResponse(completion(json.dumps({**verdict, "rationale": f"I read {seen}"})))


def test_the_set_is_large_and_covers_every_place() -> None:
    assert len(INJECTIONS) >= 40
    assert len({i.name for i in INJECTIONS}) == len(INJECTIONS)
    assert {i.place for i in INJECTIONS} == {
        *("system", "user", "response", "reasoning", "tool_call", "tool_result"),
        *("tool_definition", "name", "role"),
    }


@every_injection
def test_the_fence_never_occurs_in_what_was_recorded(injection: Injection) -> None:
    injected, _ = twins(injection)
    user = build_messages(injected, RUBRIC)[1]["content"]
    fence, _, _ = read_fences(user)
    assert fence not in injection.text
    # announced once, then one line opens and one closes each of tools, four messages, one response
    assert user.count(fence) == 1 + 2 * 6


@every_injection
def test_every_recorded_byte_is_between_fences(injection: Injection) -> None:
    injected, clean = (build_messages(item, RUBRIC)[1]["content"] for item in twins(injection))
    # readers differ in what they take for the end of a line
    assert read_fences(injected)[2] == read_fences(clean)[2]
    assert read_fences(injected, str.splitlines)[2] == read_fences(clean, str.splitlines)[2]
    inside = read_fences(injected)[1]
    as_json = json.dumps(injection.text, ensure_ascii=False)[1:-1]
    assert injection.text in inside or as_json in inside


@every_injection
def test_nothing_recorded_reaches_the_system_message(injection: Injection) -> None:
    injected, clean = twins(injection)
    assert build_messages(injected, RUBRIC)[0] == build_messages(clean, RUBRIC)[0]
    assert [m["role"] for m in build_messages(injected, RUBRIC)] == ["system", "user"]


@every_injection
def test_the_evidence_is_outside_and_stands_once(injection: Injection) -> None:
    injected, _ = twins(injection)
    outside = read_fences(build_messages(injected, RUBRIC)[1]["content"])[2]
    assert re.findall(r"failure score \(0 to 1\): ([0-9.]+)", outside) == ["0.800"]
    assert outside.count("- edit_ratio: 0.4") == 1


@pytest.mark.parametrize("score", [0.8, 0.2])
def test_a_model_that_obeys_text_outside_fences_judges_twins_alike(judge_host: Host, score: float) -> None:
    judge_host.server = ObedientServer(base_url=judge_host.base_url)
    pairs = [twins(injection, score=score) for injection in INJECTIONS]
    judgments = openai_judge(judge_host.base_url).judge([item for pair in pairs for item in pair])
    for injection, injected, clean in zip(INJECTIONS, judgments[::2], judgments[1::2], strict=True):
        assert injected.verdict is not None
        assert clean.verdict is not None
        # the rationale is a hash of all that the model read outside fences
        assert injected.verdict.rationale == clean.verdict.rationale, injection.name
        assert injected.verdict.verdict == clean.verdict.verdict == ("fail" if score > 0.5 else "pass")


def test_the_same_model_without_fences_would_be_talked_round(judge_host: Host) -> None:
    judge_host.server = ObedientServer(base_url=judge_host.base_url, gullible=True)
    judgments = openai_judge(judge_host.base_url).judge([twins(i)[0] for i in INJECTIONS])
    verdicts = [j.verdict.verdict for j in judgments if j.verdict]
    assert verdicts.count("pass") > len(INJECTIONS) // 3
