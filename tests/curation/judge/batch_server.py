"""The Batch API of the test server: files and batches in memory, with programmable faults."""

from __future__ import annotations

import asyncio
import email
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tests.curation.judge.server import FakeServer, error


@dataclass
class BatchServer:
    """What it was asked, and how it misbehaves.

    `faults` maps a call (`upload`, `create`, `retrieve`, `listing`, `content`, `delete`) to the faults of its
    next calls: a status (`500`, `429:0.02`), `hang` (done, but never answered), or `lost` (done, but the
    answer is a 500). `lines` maps
    a marker in the user's text (`item-7`) to what becomes of its line in every batch; markers without take
    the first fault of `FakeServer.script`. A batch is over after `polls_needed` looks, as `ending` says; of
    one that is not completed `answered` lines are done. At most `queue_limit` lines may be in batches at a
    time.
    """

    chat: FakeServer
    polls_needed: int = 2
    ending: str = "completed"
    problem: str = ""
    answered: int = 0
    queue_limit: int | None = None
    faults: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    garbage: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    uploads: list[list[dict[str, Any]]] = field(default_factory=list)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.headers.append(dict(request.headers))
        kind, rest = re.fullmatch(r"/v1/(files|batches)/?(.*)", request.url.path).groups()  # type: ignore[union-attr]
        name = _call_name(kind, rest, request.method)
        self.calls[name] += 1
        fault, _, argument = (self.faults.get(name) or [""]).pop(0).partition(":")
        if fault == "429":
            return error(429, "slow down", retry_after=argument or "0.02")
        if fault.isdigit():
            return error(int(fault), "something about sk-secret-key and the user's text")
        answer = await getattr(self, name)(request, rest.split("/")[0])
        if fault == "hang":
            while not await request.is_disconnected():
                await asyncio.sleep(0.02)
        return error(500, "and the answer got lost") if fault == "lost" else answer

    async def upload(self, request: Request, _: str) -> Response:
        form = _form(request.headers["content-type"], await request.body())
        assert form["purpose"] == b"batch"
        content = form["file"]
        self.uploads.append([json.loads(line) for line in content.splitlines()])
        return JSONResponse({"id": self._store(content), "object": "file", "purpose": "batch"})

    async def create(self, request: Request, _: str) -> Response:
        body = await request.json()
        assert (body["endpoint"], body["completion_window"]) == ("/v1/chat/completions", "24h")
        name = f"batch_{len(self.batches)}"
        requests = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        names = [r["custom_id"] for r in requests]
        assert len(names) == len(set(names))
        assert max(map(len, names)) <= 64
        queued = sum(b["request_counts"]["total"] for b in self.batches.values() if not _over(b))
        batch = {
            **body,
            "id": name,
            "object": "batch",
            "status": "validating",
            "created_at": int(time.time()),
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
            "request_counts": {"total": len(requests), "completed": 0, "failed": 0},
        }
        self.batches[name] = batch
        if self.queue_limit is not None and queued + len(requests) > self.queue_limit:
            self._fail(batch, "token_limit_exceeded")
        return JSONResponse({**batch, "status": "validating"})

    async def retrieve(self, _: Request, name: str) -> Response:
        batch = self.batches.get(name)
        if batch is None:
            return error(404, "no such batch")
        self.looks[name] += 1
        if not _over(batch):
            batch["status"] = "in_progress"
            if self.looks[name] >= self.polls_needed:
                self.finish(name)
        return JSONResponse(batch)

    async def listing(self, request: Request, _: str) -> Response:
        after = request.query_params.get("after")
        newest = [*reversed(self.batches.values())]
        start = next((i + 1 for i, b in enumerate(newest) if b["id"] == after), 0)
        page = newest[start : start + 2]
        return JSONResponse({"object": "list", "data": page, "has_more": start + 2 < len(newest)})

    async def content(self, _: Request, name: str) -> Response:
        if name not in self.files:
            return error(404, "no such file")
        return PlainTextResponse(self.files[name])

    async def delete(self, _: Request, name: str) -> Response:
        return JSONResponse({"id": name, "object": "file", "deleted": self.files.pop(name, None) is not None})

    def finish(self, name: str) -> None:
        """Bring a batch to its end."""
        batch = self.batches[name]
        if self.ending == "failed":
            self._fail(batch, self.problem)
            return
        requests = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        good: list[str] = []
        bad: list[str] = []
        for n, request in enumerate(requests):
            late = self.ending != "completed" and n >= self.answered
            self._line(request, f"error:batch_{self.ending}" if late else "", good, bad)
        batch["status"] = self.ending
        batch["request_counts"].update(completed=len(good), failed=len(bad))
        batch["output_file_id"] = self._store(self.garbage + "\n".join(good).encode()) if good else None
        batch["error_file_id"] = self._store("\n".join(bad).encode()) if bad else None

    def _line(self, request: dict[str, Any], fault: str, good: list[str], bad: list[str]) -> None:
        body = request["body"]
        found = re.search(r"item-\d+", body["messages"][1]["content"])
        marker = found[0] if found else ""
        script = self.chat.script.get(marker)
        fault = fault or self.lines.get(marker) or (script.pop(0) if script else self.chat.always)
        kind, _, argument = fault.partition(":")
        name = request["custom_id"]
        if kind == "no_schema" and "response_format" not in body:
            kind = ""
        if kind == "no_schema":
            said = "'response_format' of type 'json_schema' is not supported"
            bad.append(_dump(name, {"status_code": 400, "body": {"error": {"message": said}}}))
        elif kind == "status":
            said = {"error": {"message": "something about the user's text", "code": None}}
            bad.append(_dump(name, {"status_code": int(argument), "body": said}))
        elif kind == "error":
            bad.append(_dump(name, None, {"code": argument, "message": "something about the user's text"}))
        elif kind != "missing":
            self.paid[marker] += 1
            self.chat.billed += 1
            line = _dump(name, {"status_code": 200, "body": self.chat.completed(kind, body)})
            good += [line[: len(line) // 2] if kind == "garbled" else line] * (2 if kind == "twice" else 1)

    def _fail(self, batch: dict[str, Any], code: str) -> None:
        batch["status"] = "failed"
        batch["errors"] = {"object": "list", "data": [{"code": code, "message": "about the user's text"}]}

    def _store(self, content: bytes) -> str:
        name = f"file-{len(self.uploads)}-{sum(self.calls.values())}-{len(self.files)}"
        self.files[name] = content
        return name


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    whole = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = whole.get_payload()
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in parts
    }


def _call_name(kind: str, rest: str, method: str) -> str:
    if method == "POST":
        return "upload" if kind == "files" else "create"
    if method == "DELETE":
        return "delete"
    if kind == "files":
        return "content"
    return "retrieve" if rest else "listing"


def _over(batch: dict[str, Any]) -> bool:
    return batch["status"] in ("completed", "failed", "expired", "cancelled")


def _dump(name: str, response: dict[str, Any] | None, problem: dict[str, Any] | None = None) -> str:
    return json.dumps({"id": "r1", "custom_id": name, "response": response, "error": problem})
