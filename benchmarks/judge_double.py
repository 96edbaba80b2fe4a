"""An endpoint that judges everything alike after a fixed time: `python -m benchmarks.judge_double LATENCY_S`.

Chat completions on a free loopback port, printed on the first line. `GET /calls` says how many were answered.
Plain ASGI on uvicorn: it must never be what a measurement waits for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any, Final

import uvicorn

_VERDICT: Final = {
    "rationale": "The response does not answer what was asked. The user had to ask again.",
    "verdict": "fail",
    "failure_kind": "unhelpful",
    "severity": 3,
    "confidence": 0.8,
    "improved_response": None,
}
_ANSWER: Final = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "double",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": json.dumps(_VERDICT)},
            }
        ],
        "usage": {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960},
    }
).encode()


class Double:
    """The ASGI application."""

    def __init__(self, latency_s: float) -> None:
        self.calls = 0
        self._latency_s = latency_s

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["path"] == "/calls":
            body = str(self.calls).encode()
        else:
            while (await receive()).get("more_body"):
                pass
            await asyncio.sleep(self._latency_s)
            self.calls += 1
            body = _ANSWER
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def serve(latency_s: float) -> None:
    """Serve until killed."""
    app = Double(latency_s)
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving


if __name__ == "__main__":
    logging.disable()
    asyncio.run(serve(float(sys.argv[1])))
