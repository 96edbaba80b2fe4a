"""A chat-completions server with programmable faults: real HTTP, one thread, a free port."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

GOOD = {
    "rationale": "The order number is invented.",
    "verdict": "fail",
    "failure_kind": "factual",
    "severity": 3,
    "confidence": 0.9,
    "improved_response": None,
}
INPUT_TOKENS, OUTPUT_TOKENS = 100, 20

Prefer = Callable[[str, str], dict[str, Any]]
"""What to answer about the response shown first and the one shown second."""


def preferred(winner: str, *, strength: int = 2, confidence: float = 0.9) -> dict[str, Any]:
    """A good pairwise answer."""
    return {
        "rationale": "It is right.",
        "winner": winner,
        "strength": None if winner == "tie" else strength,
        "confidence": confidence,
    }


def better(score: Callable[[str], float]) -> Prefer:
    """A consistent judge: the response with the higher score wins, equal ones tie."""

    def prefer(first: str, second: str) -> dict[str, Any]:
        if score(first) == score(second):
            return preferred("tie")
        return preferred("first" if score(first) > score(second) else "second")

    return prefer


def always_first(_first: str, _second: str) -> dict[str, Any]:
    """A judge with position bias."""
    return preferred("first")


longer = better(len)
"""A judge with length bias."""


def completion(content: str | None, **changes: Any) -> dict[str, Any]:
    """The body of a good answer; `changes` replace fields of the message or `finish_reason`."""
    finish_reason = changes.pop("finish_reason", "stop")
    message = {"role": "assistant", "content": content, "refusal": None, **changes}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "fake",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
        "usage": {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        },
    }


def error(status: int, message: str, *, code: str | None = None, **headers: str) -> Response:
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return JSONResponse(body, status, headers={k.replace("_", "-"): v for k, v in headers.items()})


@dataclass
class FakeServer:
    """What it was asked, and how it misbehaves.

    `script` maps a marker in the user's text (`item-7`) to the faults of its first calls; `always`
    is the fault of every call that has none left. Without faults it answers well.
    """

    script: dict[str, list[str]] = field(default_factory=dict)
    always: str = ""
    good: dict[str, Any] = field(default_factory=lambda: dict(GOOD))
    prefer: Prefer = always_first
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    billed: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    delay: float = 0.0
    storms: dict[int, float] = field(default_factory=dict)
    """Number of a call → how long from then on (seconds) every call without a script is told to slow down."""
    stormed: Counter[str] = field(default_factory=Counter)
    storm_ends: float = 0.0
    base_url: str = ""
    batch_api: BatchApi | None = None

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        self.times.append(time.monotonic())
        found = re.search(r"item-\d+", body["messages"][1]["content"])
        marker = found[0] if found else ""
        self.calls[marker] += 1
        faults = self.script.get(marker) or []
        fault = faults.pop(0) if faults else self.always
        if not fault and (left := self.storm()) > 0 and marker not in self.script:
            self.stormed[marker] += 1
            return error(429, "slow down", retry_after=f"{left:.3f}")
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.delay)
            return await self.answer(fault, body, request)
        finally:
            self.in_flight -= 1

    def storm(self) -> float:
        """Seconds that the storm of this moment still lasts."""
        now = time.monotonic()
        if lasts := self.storms.pop(len(self.requests), 0.0):
            self.storm_ends = now + lasts
        return self.storm_ends - now

    async def answer(self, fault: str, body: dict[str, Any], request: Request) -> Response:
        name, _, argument = fault.partition(":")
        if name == "status":
            return error(int(argument), "something about sk-secret-key and the user's text")
        if name == "429":
            return error(429, "slow down", retry_after=argument or "0.02")
        if name == "quota":
            return error(429, "no money", code="insufficient_quota")
        if name == "hang":
            while not await request.is_disconnected():
                await asyncio.sleep(0.02)
            return error(503, "nobody is listening any more")
        if name == "no_json_schema" and body.get("response_format", {}).get("type") == "json_schema":
            return error(500, "response_format.type: Input should be 'text' or 'json_object'")
        if name == "no_schema" and "response_format" in body:
            return error(400, "'response_format' of type 'json_schema' is not supported")
        if name == "old_names" and "max_tokens" in body:
            return error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        if name == "old_names" and "temperature" in body:
            return error(400, "Unsupported value: 'temperature' does not support 0.0.")
        if name == "too_long":
            return error(400, "too many tokens", code="context_length_exceeded")
        if name == "reset":
            request.receive.__self__.transport.abort()  # type: ignore[attr-defined]
            return Response()
        if name == "cut":
            return StreamingResponse(_cut_off(), headers={"content-length": "5000"})
        if name == "trickle":
            return StreamingResponse(_trickle(), media_type="application/json")
        if name == "html":
            return PlainTextResponse("<html>bad gateway</html>", media_type="text/html")
        if name == "half_body":
            return Response('{"id": "c1", "choi', media_type="application/json")
        self.billed += 1
        if name == "slow":
            return StreamingResponse(_slowly(json.dumps(completion(json.dumps(self.reply(body))))))
        return JSONResponse(self.completed(name, body))

    def completed(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """A paid answer to a question, good or with the named fault."""
        good = self.reply(body)
        if name == "surrogate":
            return completion('{"rationale": "\\ud800')
        if name == "empty_choices":
            return {**completion(""), "choices": []}
        if name == "refusal":
            return completion(None, refusal="I cannot help with that.")
        if name == "filter":
            return completion("", finish_reason="content_filter")
        if name == "truncated":
            return completion(json.dumps(good)[:40], finish_reason="length")
        if name == "wrong":
            return completion(json.dumps({**good, "severity": "grave"}))
        if name == "prose":
            return completion(f"<think>{{hmm}}</think>Here you are:\n```json\n{json.dumps(good)}\n```")
        return completion(json.dumps(good))

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        """The good answer to a question: about one response, or about which of two is better."""
        shown = re.findall(
            r"(?s)\[\[data (\w+) (?:first|second) response,[^\n]*\n(.*?)\n\[\[end \1\]\]",
            body["messages"][1]["content"],
        )
        return self.prefer(shown[0][1], shown[1][1]) if shown else self.good


async def _cut_off() -> AsyncIterator[bytes]:
    yield b'{"id": "c1"'
    raise ConnectionResetError


async def _slowly(body: str) -> AsyncIterator[bytes]:
    size = len(body) // 8 + 1
    for start in range(0, len(body), size):
        yield body[start : start + size].encode()
        await asyncio.sleep(0.02)


async def _trickle() -> AsyncIterator[bytes]:
    for _ in range(20):
        yield b" "
        await asyncio.sleep(0.05)


class Host:
    """One HTTP server for many tests: `server` is whoever answers at the moment."""

    def __init__(self) -> None:
        self.server = FakeServer()
        self.base_url = ""

    async def chat(self, request: Request) -> Response:
        return await self.server.chat(request)

    async def files_and_batches(self, request: Request) -> Response:
        if self.server.batch_api is None:
            return error(404, "no such path")
        return await self.server.batch_api(request)


class BatchApi(Protocol):
    """Whoever answers under /v1/files and /v1/batches."""

    async def __call__(self, request: Request) -> Response: ...


@contextmanager
def hosted() -> Iterator[Host]:
    """Serve until the block ends."""
    host = Host()
    any_method = ["GET", "POST", "DELETE"]
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", host.chat, methods=["POST"]),
            Route("/v1/files{rest:path}", host.files_and_batches, methods=any_method),
            Route("/v1/batches{rest:path}", host.files_and_batches, methods=any_method),
        ]
    )
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="critical",
        timeout_graceful_shutdown=1,
        # A busy machine pauses for longer than the usual five seconds, and a call on a closed line is lost.
        timeout_keep_alive=60,
    )
    uvicorn_server = uvicorn.Server(config)
    thread = threading.Thread(target=uvicorn_server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not uvicorn_server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the test server did not start")
        time.sleep(0.005)
    port = uvicorn_server.servers[0].sockets[0].getsockname()[1]
    host.base_url = f"http://127.0.0.1:{port}/v1"
    try:
        yield host
    finally:
        uvicorn_server.should_exit = True
        thread.join(5)
