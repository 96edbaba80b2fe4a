"""The three-topic workload of the join benchmark (design §5): requests, signals and outcomes.

Per request two signals and about one outcome and a third; values of about 570 B (signals, outcomes)
to 1.8 KB (requests). Three requests a session. Every eightieth request has an outcome 29 minutes
later, which belongs to it, and another eightieth one 35 minutes later, which comes too late for the
half-hour window. The second signal names its request; the first does not and belongs to the latest
request of the session. Deterministic for a seed; every topic is in order of time.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from contracts import topics

PER_REQUEST: Final = 13 / 3 + 2 / 80
"""Events per request."""

SESSION_REQUESTS: Final = 3
STEP_MS: Final = 200
"""Event time between two requests; 22 events per second of event time."""

START_MS: Final = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp() * 1000)
_MINUTE_MS: Final = 60_000
_EDGE: Final = 80

_WORDS: Final = (  # noqa: SIM905 - a sentence reads better than a list of quotes
    "invoice customer refund order latency policy summary answer question context number total report "
    "please thanks review draft change value window update result detail section account support first "
    "second because however therefore product feature model prompt correct missing wrong exactly about"
).split()
_KINDS: Final = ("copy", "accept", "edit", "regenerate", "dwell", "undo")

Record = tuple[str, bytes, bytes]
"""Topic, key, value."""


def _texts(dice: random.Random, count: int, words: int) -> list[str]:
    return [" ".join(dice.choices(_WORDS, k=words)) for _ in range(count)]


def events(count: int, seed: int = 11, *, step_ms: int = STEP_MS) -> Iterator[Record]:
    """About `count` events under the default topic names.

    `step_ms`: event time between two requests; less is denser traffic with more open windows.
    """
    dice = random.Random(seed)
    encode = msgspec.json.Encoder().encode
    prompts, responses = _texts(dice, 4001, 30), _texts(dice, 4003, 140)
    padding = _texts(dice, 997, 45)
    waiting: list[tuple[int, int, Record]] = []
    for i in range(round(count / PER_REQUEST)):
        at = START_MS + i * step_ms
        session = f"session-{i // SESSION_REQUESTS:09d}"
        key = session.encode()
        response = responses[i % 4003]
        while waiting and waiting[0][0] <= at + _MINUTE_MS:
            yield heapq.heappop(waiting)[2]
        yield topics.REQUESTS, key, encode(_request(i, session, at, prompts[i % 4001], response))
        for n in range(2):
            yield topics.SIGNALS, key, encode(_signal(i, n, session, at, response, padding[i % 997]))
        for n in range(2 if i % 3 == 0 else 1):
            outcome = _outcome(i, n, session, at + _MINUTE_MS + n, padding[(i + n) % 997])
            yield topics.OUTCOMES, key, encode(outcome)
        if i % (_EDGE // 2) == 0:
            later = at + (29 if i % _EDGE else 35) * _MINUTE_MS
            outcome = _outcome(i, 9, session, later, padding[i % 997])
            heapq.heappush(waiting, (later, i, (topics.OUTCOMES, key, encode(outcome))))
    while waiting:
        yield heapq.heappop(waiting)[2]


def _request(i: int, session: str, at: int, prompt: str, response: str) -> dict[str, Any]:
    return {
        "event_id": f"event-r-{i:09d}",
        "request_id": f"request-{i:09d}",
        "session_id": session,
        "user_id": f"user-{i // SESSION_REQUESTS % 50_000}",
        "occurred_at": at,
        "feature": f"feature-{i % 5}",
        "actor": "user",
        "input_messages": [{"role": "user", "parts": [{"type": "text", "content": prompt}]}],
        "output_messages": [{"role": "assistant", "parts": [{"type": "text", "content": response}]}],
        "provider": "openai",
        "model": "model-a",
        "usage": {"input_tokens": 120, "output_tokens": 240},
        "latency_ms": 812.5,
        "finish_reason": "stop",
        "behavior": {"model_version": "a-1", "prompt_name": "p", "prompt_version": "3"},
        "consent": {"scopes": ["training"], "policy_version": "2026-01"},
    }


def _signal(i: int, n: int, session: str, at: int, response: str, padding: str) -> dict[str, Any]:
    kind = _KINDS[(i + n * 3) % len(_KINDS)]
    signal: dict[str, Any] = {
        "event_id": f"event-s-{i:09d}-{n}",
        "session_id": session,
        "user_id": f"user-{i // SESSION_REQUESTS % 50_000}",
        "occurred_at": at + 5_000 + n * 700,
        "kind": kind,
        "surface": padding,
    }
    if n:
        signal["request_id"] = f"request-{i:09d}"
    if kind == "edit":
        signal["text"] = response[: len(response) // 3] + padding
    if kind == "dwell":
        signal["value"] = float(i % 9000)
    return signal


def _outcome(i: int, n: int, session: str, at: int, padding: str) -> dict[str, Any]:
    return {
        "event_id": f"event-o-{i:09d}-{n}",
        "session_id": session,
        "request_id": f"request-{i:09d}",
        "occurred_at": at,
        "kind": "ticket",
        "success": i % 4 != 0,
        "source": padding,
    }
