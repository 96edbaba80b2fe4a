"""A webhook: real HTTP on a free port, with programmable answers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

SECRET = "s3cr3t-token"


class Hook:
    """What was posted (key, body), and what is answered: `script` first, then `always`.

    Answers: a status, `429:SECONDS`, `hang`, `redirect`.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.accepted: list[tuple[str, dict[str, Any]]] = []
        self.script: list[str] = []
        self.always = "204"
        self.url = ""

    async def take(self, request: Request) -> Response:
        call = (request.headers["idempotency-key"], await request.json())
        self.calls.append(call)
        answer = self.script.pop(0) if self.script else self.always
        name, _, argument = answer.partition(":")
        if name == "hang":
            while not await request.is_disconnected():
                await asyncio.sleep(0.02)
            return Response(status_code=503)
        if name == "redirect":
            return RedirectResponse("http://127.0.0.1:1/elsewhere")
        if name.startswith("2"):
            self.accepted.append(call)
        headers = {"retry-after": argument} if argument else None
        return PlainTextResponse("you sent something secret", int(name), headers=headers)


@contextmanager
def hooked() -> Iterator[Hook]:
    """Serve until the block ends."""
    hook = Hook()
    app = Starlette(routes=[Route(f"/hooks/{SECRET}", hook.take, methods=["POST"])])
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the webhook did not start")
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    hook.url = f"http://127.0.0.1:{port}/hooks/{SECRET}"
    try:
        yield hook
    finally:
        server.should_exit = True
        thread.join(5)
