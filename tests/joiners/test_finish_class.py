"""How a call ended, read from its finish reason, its first words and its last ones."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.events import Message
from contracts.messages import text_message
from joiners.finishes import output_ending, text_ending
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
        ({"ending": "empty"}, "empty"),
        ({"ending": "empty", "finish_reason": "length"}, "truncated"),
        ({"ending": "open"}, "ok"),
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
        "Es tut mir leid, aber dabei kann ich Ihnen nicht helfen.",
        "Je suis désolé, mais je ne peux pas répondre à cette question.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Mi dispiace, ma non posso aiutarti.",
        "抱歉，我无法回答这个问题。",
        "申し訳ございませんが、その質問にはお答えできません。",
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
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


@pytest.mark.parametrize(
    "text",
    [
        "Open the page. Then press save.",
        "42",
        "SELECT name FROM users WHERE id = 7",
        "A title without a full stop",
        "First sentence.\n\nKind regards,\nMara Aldermoor",
        "It costs 3 EUR. Press save and wait for the page.  \n",
        "```python\nprint(1)\n```",
        "- one\n- two and some more words than a title has",
        "Done 👍",
        "The end.\n\n------",
        "首都是堪培拉。它位于悉尼和墨尔本之间。",
    ],
)
def test_texts_that_end(text: str) -> None:
    assert text_ending(text) == "closed"


@pytest.mark.parametrize(
    "text",
    [
        "First open the page. Then click on the button that lies next to the",
        "First open the page. Then click on the button that lies ne",
        "Here are three reasons:\n1. It is cheap,",
        "Here it is:\n```python\nprint(1)\n",
        "The total is 3 + 4 (plus tax) + (",
        "首都是堪培拉。它位于悉尼和墨尔本之间并且有许多的博物馆和大学以及",
    ],
)
def test_texts_that_break_off(text: str) -> None:
    assert text_ending(text) == "open"


@pytest.mark.parametrize("text", ["", "  \n", "...", "---", "null", "N/A", "``` ```"])
def test_texts_that_say_nothing(text: str) -> None:
    assert text_ending(text) == "empty"


def test_what_was_not_logged_has_no_ending() -> None:
    call = Message(role="assistant", parts=[{"type": "tool_call", "id": "1", "name": "look_up"}])
    assert output_ending(None) is None
    assert output_ending([call]) is None
    assert output_ending([text_message("assistant", ""), call]) is None
    assert output_ending([text_message("assistant", "")]) == "empty"
    assert output_ending([]) == "empty"


def test_an_open_end_is_a_feature_of_its_own() -> None:
    def found(**request: Any) -> tuple[bool | None, ...]:
        rows = light("requests", [{"request_id": "r"} | request])
        joined = join(rows, light("signals", []), light("outcomes", []), horizon_us=1)
        return joined.select("has_output", "unfinished").row(0)

    assert found() == (False, None)
    assert found(ending="closed") == (True, False)
    assert found(ending="open") == (True, True)
