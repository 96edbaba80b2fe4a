"""A lake of many interactions with text, for measuring the nightly build: made without a broker.

Sessions of three requests; about 1.5 KB of text a request (prompt and response), Zipf-distributed words of a
made-up language, so that texts differ as real ones do. Most requests have an edit, a regeneration or a
downstream failure; one response in twenty is a lightly changed copy of an earlier one, one prompt in fifty
names an e-mail address and a phone number. With tools, one request in nine was offered functions and
called one before the answer. Deterministic for a seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from contracts.settings import KafkaSettings, LakeSettings
from contracts.tables import frame_schema
from curation.scoring import score
from joiners.interactions import join
from sinks.lake import Lake
from sinks.transactions import append_messages, append_revisions
from streams.decoding import Decoder, RawMessage, input_topics
from streams.identity import Identity
from streams.join_step import interaction_rows

SESSION_REQUESTS: Final = 3
REQUESTS_PER_STEP: Final = 30_000
PROMPT_WORDS: Final = 60
RESPONSE_WORDS: Final = 170
STEP_MS: Final = 500
START_MS: Final = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp() * 1000)
HORIZON_US: Final = 30 * 60 * 1_000_000

_SYLLABLES: Final = "ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo zu ar en il or un".split()  # noqa: SIM905
_VOCABULARY: Final = 20_000
_COPIED: Final = 20
_PERSONAL: Final = 50
_TOOLS: Final = 9

_SEARCH: Final = {
    "name": "search",
    "description": "Looks things up.",
    "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
}
_PRICE: Final = {"name": "price", "description": "What a thing costs.", "parameters": {"type": "object"}}

Words = npt.NDArray[np.int64]


def make_lake(root: Path, requests: int, *, seed: int = 5, tools: bool = False) -> Lake:
    """A lake with so many interactions, each with its text, evidence and score."""
    lake = Lake(root)
    lake.create(LakeSettings())
    names = {kind: topic for kind, (topic, _) in input_topics(KafkaSettings()).items()}
    decoder = Decoder(KafkaSettings(), Identity(b"benchmark", held_out_share=0.05))
    offset = 0
    for events in _steps(requests, np.random.default_rng(seed), tools):
        messages = [
            RawMessage(names[kind], 0, offset + n, 0, None, msgspec.json.encode(event))
            for n, (kind, event) in enumerate(events)
        ]
        offset += len(messages)
        decoder.feed(messages, now_us=START_MS * 2_000)
        frames = decoder.take().frames
        for kind, frame in frames.items():
            append_messages(lake, kind, f"{names[kind]}@benchmark", frame.select(list(frame_schema(kind))))
        joined = join(frames["requests"], frames["signals"], frames["outcomes"], horizon_us=HORIZON_US)
        rows = interaction_rows(score(joined), watermarks={}, horizon_us=HORIZON_US, settled_at_us=1)
        append_revisions(lake, rows, watermarks={0: (START_MS + offset * STEP_MS) * 1000 + HORIZON_US})
    return lake


def _steps(
    requests: int, dice: np.random.Generator, tools: bool
) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    words = np.array(["".join(dice.choice(_SYLLABLES, dice.integers(1, 5))) for _ in range(_VOCABULARY)])
    weights = 1 / np.arange(1, _VOCABULARY + 1) ** 0.9
    odds = np.cumsum(weights / weights.sum())

    def texts(count: int, length: int) -> list[str]:
        drawn: Words = np.searchsorted(odds, dice.random((count, length)))
        return [" ".join(row) for row in words[np.minimum(drawn, _VOCABULARY - 1)].tolist()]

    for first in range(0, requests, REQUESTS_PER_STEP):
        count = min(REQUESTS_PER_STEP, requests - first)
        prompts, responses = texts(count, PROMPT_WORDS), texts(count, RESPONSE_WORDS)
        events = [
            event for i in range(count) for event in _request(first + i, prompts[i], _response(responses, i))
        ]
        yield [_with_tools(*event) for event in events] if tools else events


def _response(responses: list[str], i: int) -> str:
    if i % _COPIED or not i:
        return responses[i]
    return responses[i // 2] + f" changed {i}"


def _with_tools(kind: str, event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The event; one request in so many with functions, and a call of one in its conversation."""
    if kind != "requests" or int(event["event_id"][1:]) % _TOOLS:
        return kind, event
    prompt, response = event.pop("prompt"), event.pop("response")
    words = prompt.split()
    call = {
        "type": "tool_call",
        "id": "call_1",
        "name": "search",
        "arguments": {"query": " ".join(words[:5])},
    }
    result = {"type": "tool_call_response", "id": "call_1", "response": " ".join(words[::-1])}
    asked = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "parts": [call]},
        {"role": "tool", "parts": [result]},
    ]
    answered = [{"role": "assistant", "content": response}]
    return kind, event | {"input_messages": asked, "output_messages": answered, "tools": [_SEARCH, _PRICE]}


def _request(i: int, prompt: str, response: str) -> Iterator[tuple[str, dict[str, Any]]]:
    session, user = f"session-{i // SESSION_REQUESTS:09d}", f"user-{i // 30}"
    at = START_MS + i * STEP_MS
    if i % _PERSONAL == 0:
        prompt += f" write to person{i}@example.org or call +44 20 7946 {i % 10_000:04d}"
    yield (
        "requests",
        {
            "event_id": f"r{i}",
            "request_id": f"request-{i:09d}",
            "session_id": session,
            "user_id": user,
            "occurred_at": at,
            "feature": f"feature-{i % 5}",
            "prompt": prompt,
            "response": response,
            "provider": "openai",
            "model": "model-a",
            "behavior": {"model_version": "a-1", "prompt_name": "p", "prompt_version": str(i % 3)},
            "consent": {"scopes": ["training"], "policy_version": "2026-01"},
        },
    )
    signal = {"event_id": f"s{i}", "session_id": session, "request_id": f"request-{i:09d}"}
    kind = ("edit", "regenerate", "copy", "undo")[i % 4]
    more = {"text": f"{response[: len(response) // 2]} and then something else"} if kind == "edit" else {}
    yield "signals", {**signal, "user_id": user, "occurred_at": at + 100, "kind": kind, **more}
    if i % 4 == 1:
        yield (
            "outcomes",
            {"event_id": f"o{i}", "session_id": session, "request_id": f"request-{i:09d}"}
            | {"occurred_at": at + 200, "kind": "ticket", "success": False},
        )
