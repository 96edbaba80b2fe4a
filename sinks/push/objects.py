"""An object store that drops are pushed to (S3, Google Cloud Storage, Azure), through obstore.

That an object is what was sent is taken from the store's ETag where that is the MD5 of the content (S3
without KMS keys); else it is read back and hashed. MD5 guards against accidents, which is its use here.
Source: Amazon S3 API reference, "Object", ETag; for uploads in parts it is the MD5 of the parts' MD5s.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, Final

from contracts.errors import PushRefused, PushUnavailable, SettingsError
from sinks.push.parcel import Piece, chunks_of, sha256_of
from sinks.push.target import Sent

SINGLE: Final = 64 << 20
"""Files up to this size go in one request, which never replaces anything."""

PART: Final = 16 << 20
"""Size of the parts of larger ones; S3 allows 10,000."""

TIMEOUT: Final = timedelta(seconds=120)

_OPTIONS: Final = (
    *("access_key_id", "secret_access_key", "session_token", "region", "default_region", "endpoint_url"),
    *("endpoint", "virtual_hosted_style_request", "skip_signature", "unsigned_payload"),
    *("service_account", "service_account_path", "service_account_key", "application_credentials"),
    *("storage_account_name", "storage_account_key", "storage_sas_token", "storage_client_id"),
    *("storage_client_secret", "storage_tenant_id"),
)
"""Options of a lake's store that are of use here, without the store's prefix; deltalake knows others."""

_PREFIXES: Final = ("aws_", "google_", "azure_")
_STATUS: Final = re.compile(r"status: (\d{3})\b|status code: (\d{3})\b")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_METADATA_SERVERS: Final = ("169.254.169.254", "metadata.google.internal", "fd00:ec2::254")

REFUSALS: Final = {
    301: ("the bucket is in another region", "Set AWS_REGION."),
    400: ("the store does not accept the request", "Check region, endpoint and bucket name."),
    401: (
        "the store refuses the credentials",
        "Check the keys in the environment (AWS_…, GOOGLE_…, AZURE_…).",
    ),
    403: ("the store refuses the credentials", "They must allow listing, reading and writing this prefix."),
    404: ("there is no such bucket", "Check its name, or make it first."),
}
"""Status → what is wrong and what to do: trying again cannot help."""


class Objects:
    """Objects below a prefix."""

    def __init__(
        self,
        url: str,
        *,
        options: Mapping[str, str] | None = None,
        single: int = SINGLE,
        part: int = PART,
        retries: int = 6,
    ) -> None:
        """`options`: storage options of a lake in the same bucket; else the environment decides.

        Raises `SettingsError` when obstore is not installed or an option cannot be."""
        self.name = url
        self._single, self._part = single, part
        self._is_s3 = url.startswith("s3")
        self._store = _open(url, dict(options or {}), retries)

    def alone(self, _: str) -> AbstractContextManager[None]:
        """A store has no locks; two pushes of one drop send the same bytes."""
        return nullcontext()

    def listing(self, folder: str) -> dict[str, int]:
        """Objects below a folder and their sizes."""
        import obstore

        with self._translated():
            found = [meta for page in obstore.list(self._store, prefix=f"{folder}/") for meta in page]
        return {meta["path"].removeprefix(f"{folder}/"): meta["size"] for meta in found}

    def holds(self, name: str, piece: Piece) -> bool:
        """By the ETag where it tells; else by reading it back."""
        import obstore

        with self._translated():
            meta = obstore.head(self._store, name)
            if meta["size"] != piece.bytes:
                return False
            if self._is_s3 and str(meta["e_tag"]).strip('"') in self._etags(piece):
                return True
            # In parts: one request for all of a large object would outlast any timeout.
            starts = range(0, piece.bytes, self._part)
            parts = (
                bytes(obstore.get_range(self._store, name, start=at, end=min(at + self._part, piece.bytes)))
                for at in starts
            )
            return sha256_of(parts) == piece.sha256

    def _etags(self, piece: Piece) -> set[str]:
        """ETags that S3 gives this content, sent in one request or in our parts."""
        whole, parts = hashlib.md5(usedforsecurity=False), []
        for chunk in chunks_of(piece.path, self._part):
            whole.update(chunk)
            parts.append(hashlib.md5(chunk, usedforsecurity=False).digest())
        joined = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
        return {whole.hexdigest(), f"{joined}-{len(parts)}"}

    def put(self, name: str, piece: Piece, sent: Sent) -> bool:
        """In one request that fails if anything is there, or in parts."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._translated():
            try:
                if piece.bytes <= self._single:
                    obstore.put(
                        self._store, name, piece.path.read_bytes(), mode="create", use_multipart=False
                    )
                    sent(piece.bytes)
                else:
                    # No condition can be set on an upload in parts: the manifest, which has one, decides.
                    obstore.put(
                        self._store,
                        name,
                        _told(piece, self._part, sent),
                        chunk_size=self._part,
                        max_concurrency=4,
                    )
            except AlreadyExistsError:
                return False
        return True

    def read(self, name: str) -> tuple[bytes, Any] | None:
        """A small object and the version that `swap` asks for."""
        import obstore

        with self._translated():
            try:
                found = obstore.get(self._store, name)
            except FileNotFoundError:
                return None
            version = {key: found.meta[key] for key in ("e_tag", "version") if found.meta[key] is not None}
            return bytes(found.bytes()), version

    def swap(self, name: str, data: bytes, version: Any) -> bool:
        """By a conditional write; a store that has none takes the last one."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotSupportedError, PreconditionError

        with self._translated():
            try:
                obstore.put(self._store, name, data, mode="create" if version is None else version)
            except (AlreadyExistsError, PreconditionError):
                return False
            except (NotSupportedError, NotImplementedError):
                obstore.put(self._store, name, data)
        return True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError, PermissionError) as error:
            raise _explained(self.name, error) from None


def _told(piece: Piece, size: int, sent: Sent) -> Iterator[bytes]:
    for chunk in chunks_of(piece.path, size):
        yield chunk
        sent(len(chunk))


def _explained(name: str, error: Exception) -> PushRefused | PushUnavailable:
    """An error of the store in our words: its own text may quote headers and signed URLs."""
    text, kind = str(error), type(error).__name__
    found = _STATUS.search(text)
    status = int(found[1] or found[2]) if found else {
        "PermissionDeniedError": 403, "UnauthenticatedError": 401, "NotFoundError": 404
    }.get(kind, 0)  # fmt: skip
    if any(server in text for server in _METADATA_SERVERS):
        return PushRefused(
            f"{name}: no credentials were found",
            hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (from a profile: `aws configure "
            "export-credentials --format env`), or the like for GOOGLE_… and AZURE_….",
        )
    code = f" ({found[1]})" if (found := _CODE.search(text)) else ""
    if status in REFUSALS:
        problem, hint = REFUSALS[status]
        return PushRefused(f"{name}: {problem}{code}", hint=hint)
    what = f"status {status}{code}" if status else kind
    return PushUnavailable(
        f"{name} does not answer as it should: {what}", hint="What was sent stays there; push again to go on."
    )


def _open(url: str, options: dict[str, str], retries: int) -> Any:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise SettingsError(
            "pushing to an object store needs the package obstore", hint="pip install 'tailrace[push]'"
        ) from None
    client: Any = {"timeout": TIMEOUT}
    # obstore does not look for it in the environment, as deltalake does.
    said = options.get("AWS_ALLOW_HTTP") or options.get("allow_http") or os.environ.get("AWS_ALLOW_HTTP", "")
    if said.lower() in ("true", "1"):
        client["allow_http"] = True
    config: Any = {key: value for key, value in options.items() if _plain(key) in _OPTIONS}
    patience: Any = {
        "max_retries": retries,
        "retry_timeout": timedelta(seconds=90),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=8)},
    }
    try:
        return from_url(url, config=config, client_options=client, retry_config=patience)
    except (BaseError, ValueError) as error:
        raise SettingsError(
            f"{url} cannot be opened: {type(error).__name__}",
            hint="Check its form, and what the environment says of the store (AWS_…, GOOGLE_…, AZURE_…).",
        ) from None


def _plain(key: str) -> str:
    name = key.lower()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
