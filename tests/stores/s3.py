"""A small S3: buckets in memory, signed requests, conditional writes, multipart uploads, faults on demand.

What it knows is what obstore and deltalake ask for: GET (ranges), HEAD, PUT (`If-None-Match: *`, `If-Match`,
copies), DELETE (one and many), LIST (version 2) and multipart uploads, path-style. Every request must be
signed with a known key, and a key reaches only its own buckets.

    with s3_store({"reader": Key("secret", {"raw"}), …}) as store:
        options = store.options("reader")     # storage options for deltalake and obstore
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import unquote
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from tests.stores.serving import served
from tests.stores.sigv4 import is_signed, key_id

REGION: Final = "us-east-1"
_STATUS: Final = {
    "AccessDenied": 403,
    "InvalidAccessKeyId": 403,
    "SignatureDoesNotMatch": 403,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "PreconditionFailed": 412,
    "InvalidRange": 416,
    "BadDigest": 400,
    "SlowDown": 503,
    "InternalError": 500,
}


@dataclass(frozen=True)
class Key:
    """A secret, and the buckets it opens."""

    secret: str
    buckets: frozenset[str] | set[str] | None = None


@dataclass
class Stored:
    """An object."""

    data: bytes
    etag: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Fault:
    """The next `times` requests of a method whose path matches fail with a code, after `after` good ones."""

    code: str
    method: str = "PUT"
    path: str = ""
    times: int = 1
    after: int = 0


class Refused(Exception):
    """An answer with an error code."""


@dataclass
class S3Store:
    """What is in the buckets (`objects`: "bucket/key" → object), what was asked, and how it misbehaves.

    calls: requests by method. seen: (method, path, key id) of every request. faults: see `Fault`. gate: while
    it is not set, uploads of objects and parts wait after `gate_after` of them went through; `waiting` is set
    once one waits.
    """

    keys: Mapping[str, Key]
    buckets: set[str] = field(default_factory=set)
    url: str = ""
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    gate_after: int = 0
    waiting: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        for key in self.keys.values():
            self.buckets |= set(key.buckets or ())

    def options(self, key: str) -> dict[str, str]:
        """Storage options for one key, as deltalake and obstore take them."""
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": self.keys[key].secret,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }

    def files(self, prefix: str) -> dict[str, bytes]:
        """What lies under "bucket/prefix", by the rest of its name."""
        return {name[len(prefix) :]: o.data for name, o in self.objects.items() if name.startswith(prefix)}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        self.calls[request.method] += 1
        self.seen.append((request.method, request.url.path, key_id(request.headers)))
        try:
            bucket, key = self._admitted(request)
            await self._misbehave(request)
            return self._handle(request, bucket, key, body)
        except Refused as error:
            code = str(error)
            text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
            return Response(text, _STATUS[code], media_type="application/xml")

    def _admitted(self, request: Request) -> tuple[str, str]:
        key = self.keys.get(key_id(request.headers) or "")
        if key is None:
            raise Refused("InvalidAccessKeyId")
        raw = request.scope["raw_path"].decode()
        query = request.scope["query_string"].decode()
        if not is_signed(request.method, raw, query, request.headers, key.secret):
            raise Refused("SignatureDoesNotMatch")
        bucket, _, name = unquote(raw).lstrip("/").partition("/")
        if bucket not in self.buckets:
            raise Refused("NoSuchBucket")
        if key.buckets is not None and bucket not in key.buckets:
            raise Refused("AccessDenied")
        return bucket, name

    async def _misbehave(self, request: Request) -> None:
        for fault in self.faults:
            if fault.method == request.method and fault.path in request.url.path and fault.times:
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                raise Refused(fault.code)
        if request.method == "PUT" and not self.gate.is_set():
            self.gate_after -= 1
            while self.gate_after < 0 and not self.gate.is_set() and not await request.is_disconnected():
                self.waiting.set()
                await asyncio.sleep(0.01)
            if self.gate_after < 0 and not self.gate.is_set():
                raise Refused("InternalError")  # whoever asked is gone

    def _handle(self, request: Request, bucket: str, key: str, body: bytes) -> Response:
        query, headers, path = request.query_params, request.headers, f"{bucket}/{key}"
        match request.method:
            case "GET" if not key:
                return self._listing(bucket, query)
            case "GET" | "HEAD":
                return self._read(path, headers, with_body=request.method == "GET")
            case "PUT" if "uploadId" in query:
                return self._part(query, headers, body)
            case "PUT":
                source = unquote(headers.get("x-amz-copy-source", "")).lstrip("/")
                data = self._object(source).data if source else body
                _check_digests(headers, data if not source else b"", copied=bool(source))
                stored = self._store(path, data, headers)
                text = f"<CopyObjectResult><ETag>{stored.etag}</ETag></CopyObjectResult>" if source else ""
                return Response(text, headers={"ETag": stored.etag})
            case "POST" if "uploads" in query:
                upload = uuid.uuid4().hex
                self.uploads[upload] = {}
                return _xml(
                    f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId>"
                    "</InitiateMultipartUploadResult>"
                )
            case "POST" if "uploadId" in query:
                return self._complete(path, query, headers)
            case "POST" if "delete" in query:
                return self._delete_many(bucket, body)
            case "DELETE" if "uploadId" in query:
                self.uploads.pop(query["uploadId"], None)
                return Response(status_code=204)
            case "DELETE":
                self.objects.pop(path, None)
                return Response(status_code=204)
        return Response(status_code=405)

    def _object(self, path: str) -> Stored:
        if path not in self.objects:
            raise Refused("NoSuchKey")
        return self.objects[path]

    def _store(self, path: str, data: bytes, headers: Mapping[str, str], etag: str | None = None) -> Stored:
        held = self.objects.get(path)
        if headers.get("if-none-match") == "*" and held is not None:
            raise Refused("PreconditionFailed")
        if (wanted := headers.get("if-match")) and (held is None or held.etag != wanted):
            raise Refused("PreconditionFailed")
        self.objects[path] = Stored(data, etag or f'"{_md5(data)}"')
        return self.objects[path]

    def _read(self, path: str, headers: Mapping[str, str], *, with_body: bool) -> Response:
        stored = self._object(path)
        if (wanted := headers.get("if-match")) and wanted != stored.etag:
            raise Refused("PreconditionFailed")
        about = {
            "ETag": stored.etag,
            "Last-Modified": format_datetime(stored.at, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        size = len(stored.data)
        if not with_body:
            return Response(headers={**about, "Content-Length": str(size)})
        if asked := re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", "")):
            first, last = asked[1], asked[2]
            start = int(first) if first else max(size - int(last), 0)
            end = min(int(last) if first and last else size - 1, size - 1)
            if start >= size:
                raise Refused("InvalidRange")
            part = stored.data[start : end + 1]
            return Response(part, 206, {**about, "Content-Range": f"bytes {start}-{end}/{size}"})
        return Response(stored.data, headers=about)

    def _listing(self, bucket: str, query: Mapping[str, str]) -> Response:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token") or query.get("start-after", "")
        most = int(query.get("max-keys", "1000"))
        found: dict[str, Stored | None] = {}
        for path in sorted(self.objects):
            holder, _, key = path.partition("/")
            if holder != bucket or not key.startswith(prefix):
                continue
            folder, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            name = prefix + folder + cut if cut else key
            if name > after:
                found.setdefault(name, None if cut else self.objects[path])
        shown = list(found.items())[:most]
        parts = [
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            if stored is None
            else f"<Contents><Key>{escape(name)}</Key><Size>{len(stored.data)}</Size>"
            f"<LastModified>{stored.at.strftime('%Y-%m-%dT%H:%M:%S.000Z')}</LastModified>"
            f"<ETag>{escape(stored.etag)}</ETag></Contents>"
            for name, stored in shown
        ]
        more = len(found) > len(shown)
        token = f"<NextContinuationToken>{escape(shown[-1][0])}</NextContinuationToken>" if more else ""
        return _xml(
            f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"<KeyCount>{len(shown)}</KeyCount>{''.join(parts)}{token}</ListBucketResult>"
        )

    def _part(self, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Response:
        if query["uploadId"] not in self.uploads:
            raise Refused("NoSuchUpload")
        _check_digests(headers, body)
        self.uploads[query["uploadId"]][int(query["partNumber"])] = body
        return Response(headers={"ETag": f'"{_md5(body)}"'})

    def _complete(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        parts = self.uploads.pop(query["uploadId"], None)
        if parts is None:
            raise Refused("NoSuchUpload")
        ordered = [parts[number] for number in sorted(parts)]
        digests = b"".join(hashlib.md5(part).digest() for part in ordered)
        etag = f'"{_md5(digests)}-{len(ordered)}"'
        stored = self._store(path, b"".join(ordered), headers, etag)
        etag = escape(stored.etag)
        return _xml(f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>")

    def _delete_many(self, bucket: str, body: bytes) -> Response:
        names = re.findall(r"<Key>(.*?)</Key>", body.decode())
        for name in names:
            self.objects.pop(f"{bucket}/{name}", None)
        gone = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
        return _xml(f"<DeleteResult>{gone}</DeleteResult>")


def _check_digests(headers: Mapping[str, str], body: bytes, *, copied: bool = False) -> None:
    signed = headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if not copied and signed != "UNSIGNED-PAYLOAD" and signed != hashlib.sha256(body).hexdigest():
        raise Refused("BadDigest")
    asked = headers.get("x-amz-checksum-sha256")
    if asked and asked != base64.b64encode(hashlib.sha256(body).digest()).decode():
        raise Refused("BadDigest")


def _md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def _xml(text: str) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{text}', media_type="application/xml")


@contextmanager
def s3_store(keys: Mapping[str, Key]) -> Iterator[S3Store]:
    """A running store; the buckets that keys name exist."""
    store = S3Store(keys)
    with served(store) as url:
        store.url = url
        yield store
