"""Lines of OpenAI's fine-tuning files, which Azure, Together and Fireworks read too.

Preference (`input`, `preferred_output`, `non_preferred_output`): each output is one assistant message with
text; earlier turns, tool calls among them, belong to the input. Supervised (`messages`): `weight` says which
assistant messages are learned, and here it is the last one alone, as the turns before it are what the model
said and nobody judged.

`parallel_tool_calls` says what the API does unless told otherwise; it and `tools` are left out where no
functions were offered. Supervised lines never have it: Together refuses columns besides `messages` and
`tools` (`JSONL_EXTRA_COLUMNS_MAP` of its Python library). Sources: OpenAI API reference and OpenAPI document
2.3.0, `FineTunePreferenceRequestInput`, `FineTuneChatRequestInput`,
`FineTuneChatCompletionRequestAssistantMessage` (`weight`: 0 or 1); OpenAI guide "Direct preference
optimization" (text only; the outputs are the last assistant message); Microsoft Learn, "Direct preference
optimization" (roles of outputs); Together documentation, "Preference fine-tuning" ("a single assistant
message") and "Data preparation"; Fireworks documentation, "Direct Preference Optimization".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from contracts.chat import Turn, openai_turn

SEVERAL_TURNS: Final = "several_turns_in_output"
TOOL_CALLS: Final = "tool_calls_in_output"
NO_TEXT: Final = "no_text_in_output"
"""Why a pair has no line in the preference file."""

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode
_decode_tools = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Unholdable(ValueError):
    """A row that a format cannot hold."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def preference_line(prompt: str, chosen: str, rejected: str, tools: str | None) -> bytes:
    """One line of the preference format. Raises `Unholdable` when an output is not one message with text.

    Turns that both sides begin with (calls of tools and their answers) move into the input.
    """
    better, worse = _decode(chosen), _decode(rejected)
    shared = _shared(better, worse)
    messages = [*_decode(prompt), *better[:shared]]
    given: dict[str, Any] = {"messages": [openai_turn(turn) for turn in messages], **_offered(tools)}
    if tools:
        given["parallel_tool_calls"] = True
    line = {
        "input": given,
        "preferred_output": _output(better[shared:]),
        "non_preferred_output": _output(worse[shared:]),
    }
    return _encode(line)


def sft_line(prompt: str, answer: str, tools: str | None) -> bytes:
    """One line of the supervised format; the last assistant message alone is learned."""
    messages = [openai_turn(turn) for turn in [*_decode(prompt), *_decode(answer)]]
    assistants = [n for n, turn in enumerate(messages) if turn["role"] == "assistant"]
    for n in assistants:
        messages[n] = {**messages[n], "weight": int(n == assistants[-1])}
    return _encode({"messages": messages, **_offered(tools)})


def _shared(better: list[Turn], worse: list[Turn]) -> int:
    """How many turns both sides begin with; the last of each stays where it is."""
    most = min(len(better), len(worse)) - 1
    return next((n for n in range(most) if better[n] != worse[n]), max(most, 0))


def _output(turns: list[Turn]) -> list[Turn]:
    if len(turns) != 1 or turns[0]["role"] != "assistant":
        raise Unholdable(SEVERAL_TURNS)
    if turns[0].get("tool_calls"):
        raise Unholdable(TOOL_CALLS)
    if not turns[0]["content"].strip():
        raise Unholdable(NO_TEXT)
    return turns


def _offered(tools: str | None) -> dict[str, Any]:
    return {"tools": _decode_tools(tools)} if tools else {}
