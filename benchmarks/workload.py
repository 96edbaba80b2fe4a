"""The three-topic workload of the join benchmark (design §5): requests, signals and outcomes.

Per request two signals and about one outcome and a third; values of about 570 B (signals, outcomes)
to 1.8 KB (requests). Deterministic for a seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec
from confluent_kafka import Producer

from contracts import topics

PER_REQUEST: Final = 13 / 3
"""Events per request."""

SESSION_REQUESTS: Final = 3
_START_MS: Final = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp() * 1000)
_STEP_MS: Final = 200

_WORDS: Final = (  # noqa: SIM905 - a sentence reads better than a list of quotes
    "invoice customer refund order latency policy summary answer question context number total report "
    "please thanks review draft change value window update result detail section account support first "
    "second because however therefore product feature model prompt correct missing wrong exactly about"
).split()


def _texts(dice: random.Random, count: int, words: int) -> list[str]:
    return [" ".join(dice.choices(_WORDS, k=words)) for _ in range(count)]


def events(count: int, seed: int = 11) -> Iterator[tuple[str, bytes, bytes]]:
    """(topic, key, value) of about `count` events, in order of time."""
    dice = random.Random(seed)
    encode = msgspec.json.Encoder().encode
    prompts, responses = _texts(dice, 4001, 30), _texts(dice, 4003, 140)
    padding = _texts(dice, 997, 45)
    kinds = ("copy", "accept", "edit", "regenerate", "dwell", "undo")
    for i in range(round(count / PER_REQUEST)):
        session = f"session-{i // SESSION_REQUESTS:09d}"
        request = f"request-{i:09d}"
        at = _START_MS + i * _STEP_MS
        user = f"user-{i // SESSION_REQUESTS % 50_000}"
        key = session.encode()
        response = responses[i % 4003]
        yield (
            topics.REQUESTS,
            key,
            encode(
                {
                    "event_id": f"event-r-{i:09d}",
                    "request_id": request,
                    "session_id": session,
                    "user_id": user,
                    "occurred_at": at,
                    "feature": f"feature-{i % 5}",
                    "actor": "user",
                    "input_messages": [
                        {"role": "user", "parts": [{"type": "text", "content": prompts[i % 4001]}]}
                    ],
                    "output_messages": [
                        {"role": "assistant", "parts": [{"type": "text", "content": response}]}
                    ],
                    "provider": "openai",
                    "model": "model-a",
                    "usage": {"input_tokens": 120, "output_tokens": 240},
                    "latency_ms": 812.5,
                    "finish_reason": "stop",
                    "behavior": {"model_version": "a-1", "prompt_name": "p", "prompt_version": "3"},
                    "consent": {"scopes": ["training"], "policy_version": "2026-01"},
                }
            ),
        )
        for n in range(2):
            kind = kinds[(i + n * 3) % len(kinds)]
            signal = {
                "event_id": f"event-s-{i:09d}-{n}",
                "session_id": session,
                "user_id": user,
                "occurred_at": at + 5_000 + n * 700,
                "kind": kind,
                "surface": padding[i % 997],
            }
            if n:
                signal["request_id"] = request
            if kind == "edit":
                signal["text"] = response[: len(response) // 3] + padding[i % 997]
            if kind == "dwell":
                signal["value"] = float(i % 9000)
            yield topics.SIGNALS, key, encode(signal)
        for n in range(2 if i % 3 == 0 else 1):
            yield (
                topics.OUTCOMES,
                key,
                encode(
                    {
                        "event_id": f"event-o-{i:09d}-{n}",
                        "session_id": session,
                        "request_id": request,
                        "occurred_at": at + 60_000 + n,
                        "kind": "ticket",
                        "success": i % 4 != 0,
                        "source": padding[(i + n) % 997],
                    }
                ),
            )


def produce(bootstrap_servers: str, count: int) -> tuple[int, int]:
    """Send the workload; returns (events, bytes of values)."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "queue.buffering.max.messages": 500_000,
        }
    )
    sent = size = 0
    for topic, key, value in events(count):
        while True:
            try:
                producer.produce(topic, key=key, value=value)
                break
            except BufferError:
                producer.poll(0.05)
        sent += 1
        size += len(value)
    producer.flush()
    return sent, size
