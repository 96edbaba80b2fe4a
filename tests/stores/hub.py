"""A small Hugging Face Hub: dataset repositories in memory, for the real `huggingface_hub` client.

What it knows: making repositories, refs, branches, tags, trees, files, the pre-upload question, Git LFS
(batch, upload, verify) and commits on a parent. Requests need the token; faults and a gate as in
`tests.stores.s3`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.stores.serving import served

TOKEN: Final = "hf_planted_secret_token"
LARGE: Final = 1_000
"""Parquet files are large, and so is everything of this size."""


@dataclass
class Repository:
    """Commits (id → files, a file is (data, is large)), and the names that point at them."""

    private: bool
    commits: dict[str, dict[str, tuple[bytes, bool]]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.branches["main"] = self.add({".gitattributes": (b"*.parquet filter=lfs", False)})

    def add(self, files: dict[str, tuple[bytes, bool]]) -> str:
        """Keep a commit; its id."""
        commit = hashlib.sha1(f"{len(self.commits)}{sorted(files)}".encode()).hexdigest()
        self.commits[commit] = files
        return commit

    def commit_of(self, revision: str) -> str | None:
        """The commit a revision names."""
        known = {**{commit: commit for commit in self.commits}, **self.tags, **self.branches}
        return known.get(revision)

    def files(self, revision: str = "main") -> dict[str, bytes]:
        """The files of a revision, but for those the Hub makes itself."""
        found = self.commits[self.commit_of(revision) or ""]
        return {name: data for name, (data, _) in found.items() if name != ".gitattributes"}


class Answer(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str = "") -> None:
        self.status, self.code = status, code


@dataclass
class Hub:
    """What is in the repositories and the large-file store, what was asked, and how it misbehaves.

    calls: requests by step (`commit`, `upload`, …). faults: step → statuses of its next requests; `lost` is
    done, but answered 500. gate: while it is not set, uploads wait after `gate_after` of them went through.
    meanwhile: called once before the next commit, as if somebody else were quicker.
    """

    url: str = ""
    repos: dict[str, Repository] = field(default_factory=dict)
    store: dict[str, bytes] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[int | str]] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    gate_after: int = 0
    waiting: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    meanwhile: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self.gate.set()

    def reset(self) -> None:
        """Forget everything."""
        for kept in (self.repos, self.store, self.calls, self.faults):
            kept.clear()
        self.gate.set()
        self.waiting.clear()
        self.gone.clear()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        asked = f"{request.method} {request.url.path}"
        known = ((step, re.fullmatch(pattern, asked)) for pattern, step in _STEPS)
        step, found = next(((step, match) for step, match in known if match), ("", None))
        if found is None:
            return JSONResponse({"error": f"not known here: {asked}"}, 501)
        self.calls[step] += 1
        fault = (self.faults.get(step) or [0]).pop(0)
        try:
            if request.headers.get("authorization") != f"Bearer {TOKEN}" and step not in ("upload",):
                raise Answer(401)
            if isinstance(fault, int) and fault:
                raise Answer(fault)
            if step == "upload":
                await self._gate(request)
            answer = getattr(self, f"_{step}")(body, *found.groups())
        except Answer as error:
            headers = {"X-Error-Code": error.code} if error.code else {}
            return JSONResponse({"error": "no"}, error.status, headers)
        return JSONResponse({"error": "lost"}, 500) if fault == "lost" else answer

    async def _gate(self, request: Request) -> None:
        if self.gate.is_set():
            return
        self.gate_after -= 1
        while self.gate_after < 0 and not self.gate.is_set():
            self.waiting.set()
            if await request.is_disconnected():
                self.gone.set()
                raise Answer(500)
            await asyncio.sleep(0.01)

    def _repo(self, name: str) -> Repository:
        if name not in self.repos:
            raise Answer(404, "RepoNotFound")
        return self.repos[name]

    def _at(self, name: str, revision: str) -> dict[str, tuple[bytes, bool]]:
        repo = self._repo(name)
        commit = repo.commit_of(revision)
        if commit is None:
            raise Answer(404, "RevisionNotFound")
        return repo.commits[commit]

    def _create(self, body: bytes) -> Response:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        assert asked["type"] == "dataset"
        if asked["organization"] != "org":
            raise Answer(403)
        taken = name in self.repos
        private = asked.get("private") or asked.get("visibility") == "private"
        self.repos.setdefault(name, Repository(private=private))
        return JSONResponse({"url": f"{self.url}/datasets/{name}"}, 409 if taken else 200)

    def _info(self, _: bytes, name: str) -> Response:
        repo = self._repo(name)
        return JSONResponse({"id": name, "sha": repo.branches["main"], "private": repo.private})

    def _refs(self, _: bytes, name: str) -> Response:
        repo = self._repo(name)

        def refs(kind: str, names: dict[str, str]) -> list[dict[str, str]]:
            return [{"name": n, "ref": f"refs/{kind}/{n}", "targetCommit": c} for n, c in names.items()]

        branches, tags = refs("heads", repo.branches), refs("tags", repo.tags)
        return JSONResponse({"branches": branches, "converts": [], "tags": tags})

    def _tree(self, _: bytes, name: str, revision: str) -> Response:
        entries: list[dict[str, Any]] = []
        for path, (data, large) in sorted(self._at(name, revision).items()):
            entry = {"type": "file", "path": path, "size": len(data), "oid": _git_hash(data)}
            if large:
                entry["lfs"] = {
                    "oid": hashlib.sha256(data).hexdigest(),
                    "size": len(data),
                    "pointerSize": 130,
                }
                entry["oid"] = _git_hash(b"a pointer to it")
            entries.append(entry)
        return JSONResponse(
            [{"type": "directory", "path": "preference", "oid": "0" * 40, "size": 0}, *entries]
        )

    def _read(self, _: bytes, name: str, revision: str, path: str) -> Response:
        files = self._at(name, revision)
        if path not in files:
            raise Answer(404, "EntryNotFound")
        return Response(files[path][0])

    def _yaml(self, body: bytes) -> Response:
        head = json.loads(body)["content"].split("---")[1]
        try:
            yaml.safe_load(head)
        except yaml.YAMLError:
            return JSONResponse({"errors": [{"message": "no yaml"}], "warnings": []}, 400)
        return JSONResponse({"errors": [], "warnings": []})

    def _preupload(self, body: bytes, name: str, revision: str) -> Response:
        held = self._at(name, revision)
        answers = []
        for file in json.loads(body)["files"]:
            large = file["path"].endswith(".parquet") or file["size"] >= LARGE
            answer = {
                "path": file["path"],
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": False,
            }
            if file["path"] in held:
                answer["oid"] = _git_hash(held[file["path"]][0])
            answers.append(answer)
        return JSONResponse({"files": answers})

    def _batch(self, body: bytes, name: str) -> Response:
        self._repo(name)
        answers = []
        for wanted in json.loads(body)["objects"]:
            answer = dict(wanted)
            if wanted["oid"] not in self.store:
                answer["actions"] = {
                    "upload": {"href": f"{self.url}/store/{wanted['oid']}"},
                    "verify": {"href": f"{self.url}/verify"},
                }
            answers.append(answer)
        return JSONResponse({"transfer": "basic", "objects": answers})

    def _upload(self, body: bytes, oid: str) -> Response:
        if hashlib.sha256(body).hexdigest() != oid:
            raise Answer(400)
        self.store[oid] = body
        return Response()

    def _verify(self, body: bytes) -> Response:
        asked = json.loads(body)
        if len(self.store.get(asked["oid"], b"")) != asked["size"]:
            raise Answer(404)
        return JSONResponse({})

    def _commit(self, body: bytes, name: str, branch: str) -> Response:
        if self.meanwhile is not None:
            change, self.meanwhile = self.meanwhile, None
            change()
        repo = self._repo(name)
        files = dict(self._at(name, branch))
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            match operation["key"]:
                case "header":
                    if value.get("parentCommit") != repo.branches[branch]:
                        raise Answer(412)
                case "file":
                    files[value["path"]] = (base64.b64decode(value["content"]), False)
                case "lfsFile":
                    files[value["path"]] = (self.store[value["oid"]], True)
                case "deletedFile":
                    del files[value["path"]]
        commit = repo.branches[branch] = repo.add(files)
        return JSONResponse({"commitUrl": f"{self.url}/datasets/{name}/commit/{commit}", "commitOid": commit})

    def _tag(self, body: bytes, name: str, revision: str) -> Response:
        repo, tag = self._repo(name), json.loads(body)["tag"]
        if tag in repo.tags:
            raise Answer(409)
        repo.tags[tag] = repo.commit_of(revision) or ""
        return JSONResponse({})

    def _branch(self, _: bytes, name: str, branch: str) -> Response:
        repo = self._repo(name)
        if branch in repo.branches:
            raise Answer(409)
        repo.branches[branch] = repo.branches["main"]
        return JSONResponse({})

    def _unbranch(self, _: bytes, name: str, branch: str) -> Response:
        del self._repo(name).branches[branch]
        return Response()


_NAME: Final = r"([\w.-]+/[\w.-]+)"
_STEPS: Final = (
    (r"POST /api/repos/create", "create"),
    (r"POST /api/validate-yaml", "yaml"),
    (rf"GET /api/datasets/{_NAME}", "info"),
    (rf"GET /api/datasets/{_NAME}/refs", "refs"),
    (rf"GET /api/datasets/{_NAME}/tree/([^/]+)", "tree"),
    (rf"POST /api/datasets/{_NAME}/preupload/([^/]+)", "preupload"),
    (rf"POST /api/datasets/{_NAME}/commit/([^/]+)", "commit"),
    (rf"POST /api/datasets/{_NAME}/tag/([^/]+)", "tag"),
    (rf"POST /api/datasets/{_NAME}/branch/([^/]+)", "branch"),
    (rf"DELETE /api/datasets/{_NAME}/branch/([^/]+)", "unbranch"),
    (rf"GET /datasets/{_NAME}/resolve/([^/]+)/(.+)", "read"),
    (rf"POST /datasets/{_NAME}\.git/info/lfs/objects/batch", "batch"),
    (r"PUT /store/([0-9a-f]{64})", "upload"),
    (r"POST /verify", "verify"),
)


def _git_hash(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


@contextmanager
def hub() -> Iterator[Hub]:
    """A running Hub."""
    made = Hub()
    with served(made) as url:
        made.url = url
        yield made
