"""How a call ended, read from its finish reason and its first words."""

from __future__ import annotations

from typing import Any

import pytest

from joiners.interactions import join
from tests.factories import light


def finish(**request: Any) -> str:
    rows = [{"request_id": "r"} | request]
    joined = join(light("requests", rows), light("signals", []), light("outcomes", []), horizon_us=1)
    return joined["finish_class"].item()


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        ({}, "ok"),
        ({"finish_reason": "stop"}, "ok"),
        ({"finish_reason": "LENGTH"}, "truncated"),
        ({"finish_reason": "max_tokens"}, "truncated"),
        ({"finish_reason": "content_filter"}, "filtered"),
        ({"finish_reason": "error"}, "error"),
        ({"finish_reason": "refusal"}, "refusal"),
        ({"error_type": "Timeout", "finish_reason": "length"}, "error"),
    ],
)
def test_finish_reasons(request_fields: dict[str, str], expected: str) -> None:
    assert finish(**request_fields) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m really sorry, I am not able to do this.",
        "Sorry, I cannot assist with this request.",
        "Unfortunately I am unable to provide legal advice.",
        "As an AI language model I cannot feel pain.",
        "We must decline to answer.",
    ],
)
def test_refusals(text: str) -> None:
    assert finish(response_text=text) == "refusal"


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to hear that your parcel is late. It will arrive tomorrow.",
        "You can't help but notice the blue button.",
        "Here is how: click on settings. If that fails, I can help.",
        "The server cannot answer because the port is closed.",
        "",
    ],
)
def test_answers_that_only_look_like_refusals(text: str) -> None:
    assert finish(response_text=text) == "ok"
