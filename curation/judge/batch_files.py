"""The files of the Batch API: questions as lines of JSON going out, results of single questions coming back.

Limits: https://platform.openai.com/docs/api-reference/batch/create (50,000 requests and 200 MB a file).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from openai.types.chat import ChatCompletion

from curation.judge.questions import ChatParameters, Question
from curation.judge.transport import (
    CallFailed,
    Dialect,
    Reply,
    chat_request,
    reply_of,
    status_error,
)
from curation.judge.verdicts import UnjudgedReason

T = TypeVar("T")

CHAT: Final = "/v1/chat/completions"
MOST_REQUESTS: Final = 50_000
MOST_BYTES: Final = 200_000_000

_CODE: Final = re.compile(r"[a-z0-9_]{1,60}")


class BatchLine(msgspec.Struct, frozen=True):
    """One line of an output or error file, as far as it is read."""

    custom_id: str
    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


_decode_line = msgspec.json.Decoder(BatchLine).decode


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """A question turned down: HTTP status, and the server's words in lower case (they may quote users)."""

    status: int
    complaint: str

    @property
    def error(self) -> Exception:
        """What the status means."""
        return status_error(self.status, self.complaint)


Result = Reply | Rejection | CallFailed
"""What became of one line: a reply, an HTTP error, or no answer at all."""


def request_id(question: Question[T], parameters: ChatParameters) -> str:
    """The `custom_id` of a question: SHA-256 (64 hex) of its key and all that is asked.

    Not the key alone: in another epoch, or of another form, the same content is another question. The
    dialect plays no part.
    """
    body = chat_request(parameters, question.messages, question.form, Dialect())
    return hashlib.sha256(f"{question.key}\n".encode() + _line(body)).hexdigest()


def request_line(
    custom_id: str, question: Question[T], parameters: ChatParameters, dialect: Dialect
) -> bytes:
    """One line of an input file, with its line break."""
    body = chat_request(parameters, question.messages, question.form, dialect)
    return _line({"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body})


@dataclass(frozen=True, kw_only=True)
class FileLimits:
    """Most requests and bytes of one input file."""

    requests: int = MOST_REQUESTS
    size_bytes: int = MOST_BYTES

    def fill(self, lines: Iterable[tuple[str, bytes]]) -> tuple[dict[str, bytes], list[str]]:
        """The first lines, by custom id, that fit in one file; and those among them that fit in none."""
        file: dict[str, bytes] = {}
        too_long: list[str] = []
        size = 0
        for name, line in lines:
            if len(line) > self.size_bytes:
                too_long.append(name)
                continue
            if len(file) >= self.requests or size + len(line) > self.size_bytes:
                break
            file[name] = line
            size += len(line)
        return file, too_long


def read_results(files: Sequence[bytes]) -> Mapping[str, Result]:
    """What became of each custom id in the output and error files of a batch.

    Lines that cannot be read are left out, as if they were missing. Of several for the same question a
    reply counts, else the first.
    """
    results: dict[str, Result] = {}
    for file in files:
        for raw in file.splitlines():
            try:
                line = _decode_line(raw)
            except (msgspec.DecodeError, RecursionError):
                continue
            result = _result(line)
            if not isinstance(results.get(line.custom_id), Reply) and (
                isinstance(result, Reply) or line.custom_id not in results
            ):
                results[line.custom_id] = result
    return results


def _result(line: BatchLine) -> Result:
    response = line.response or {}
    status, body = response.get("status_code"), response.get("body")
    if isinstance(status, int) and status and status != 200:
        return Rejection(status=status, complaint=_words(body))
    if status == 200 and isinstance(body, dict):
        return reply_of(ChatCompletion.construct(**body))
    return CallFailed(*_lost(str((line.error or {}).get("code") or "")))


def _lost(code: str) -> tuple[UnjudgedReason, str]:
    if code == "batch_expired":
        return UnjudgedReason.TIMEOUT, "the batch expired before its turn came"
    if code == "batch_cancelled":
        return UnjudgedReason.UNAVAILABLE, "the batch was cancelled before its turn came"
    # A server may put anything here.
    known = f" ({code})" if _CODE.fullmatch(code) else ""
    return UnjudgedReason.UNAVAILABLE, f"the batch holds no answer to it{known}"


def _words(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return ""
    return " ".join(str(error.get(name) or "") for name in ("code", "param", "message")).lower()


def _line(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n").encode(errors="replace")
