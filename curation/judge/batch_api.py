"""The endpoint's side of batch mode: upload, create once, look, fetch, delete; every failure given a type."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import openai
from openai.types import Batch
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from contracts.errors import JudgeRefused, TailraceError
from curation.judge.batch_files import CHAT
from curation.judge.questions import Instrument
from curation.judge.session import RetryPolicy
from curation.judge.transport import CallFailed, connect, failure_of
from curation.judge.verdicts import UnjudgedReason

R = TypeVar("R")

MARKER: Final = "tailrace"
"""Key of a batch's metadata that holds our marker."""

_FINAL: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_FULL: Final = "token_limit_exceeded"
_REFUSED: Final = ("model_not_found", "billing", "quota")
# Batches are listed newest first; clocks differ.
_CLOCK_SLACK_SECONDS: Final = 3_600
_MOST_LISTED: Final = 1_000
# What was just made may take a moment to be listed.
_LOOKS: Final = 2


class BatchGone(TailraceError):
    """The endpoint knows no such batch or file (any more)."""


@dataclass(frozen=True, kw_only=True)
class BatchState:
    """How a batch stands: how many questions are `answered`, and why it failed (`problems`, codes)."""

    id: str
    status: str
    answered: int
    files: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in _FINAL

    @property
    def queue_full(self) -> bool:
        """Whether it failed because too much is waiting at the endpoint already."""
        return self.status == "failed" and _FULL in self.problems

    @property
    def refused(self) -> bool:
        """Whether it failed because the endpoint will have nothing from us."""
        return self.status == "failed" and any(w in code for code in self.problems for w in _REFUSED)

    def refusal(self) -> JudgeRefused:
        """The error of a batch that was refused."""
        words = next(word for word in _REFUSED if any(word in code for code in self.problems))
        return JudgeRefused(
            f"the judge's endpoint refuses the batch: {words.replace('_', ' ')}",
            hint="Check judge.model, and plan and billing of the key.",
        )


class BatchApi:
    """Calls of the Batch API, transient failures retried. Blocking."""

    def __init__(
        self, instrument: Instrument, retries: RetryPolicy, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = connect(openai.OpenAI, instrument)
        self._policy = retries
        self._sleep = sleep
        self._backoff = wait_random_exponential(
            multiplier=retries.backoff_seconds, max=retries.max_backoff_seconds
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def upload(self, content: bytes) -> str:
        """Upload an input file; returns its id. Raises `CallFailed` or `JudgeRefused`.

        A file whose upload was not heard of costs nothing; the endpoint drops it after a month.
        """
        try:
            return self._retrying(
                lambda: self._client.files.create(file=("questions.jsonl", content), purpose="batch").id
            )
        except BatchGone:
            pass
        raise _no_batch_api()

    def create(self, input_file_id: str, marker: str, *, not_before: float) -> BatchState:
        """Make a batch, and only one: when it is not known whether one was made, it is looked for first.

        `not_before` is when the marker was made, epoch seconds. Raises `CallFailed` or `JudgeRefused`.
        """
        failed: CallFailed | None = None
        looks = 0

        def once() -> BatchState:
            nonlocal failed, looks
            if failed is not None:
                found = self._find(marker, not_before)
                looks += 1
                if found is not None:
                    return found
                if looks % _LOOKS:
                    raise failed
            try:
                return self._create(input_file_id, marker)
            except CallFailed as error:
                if error.reason is not UnjudgedReason.RATE_LIMITED:
                    # Told to slow down, we would know that nothing was made.
                    failed = error
                raise

        try:
            return self._retrying(once, single=False, more=_LOOKS)
        except BatchGone:
            pass
        raise _no_batch_api()

    def find(self, marker: str, *, not_before: float) -> BatchState | None:
        """The batch with a marker, if the endpoint has one. Raises `CallFailed` or `JudgeRefused`."""
        return self._retrying(lambda: self._find(marker, not_before), single=False)

    def state(self, batch_id: str) -> BatchState:
        """How a batch stands; one try. Raises `CallFailed`, `JudgeRefused` or `BatchGone`."""
        return _state(_typed(lambda: self._client.batches.retrieve(batch_id)))

    def content(self, file_id: str) -> bytes:
        """A file of results. Raises `CallFailed`, `JudgeRefused` or `BatchGone`."""
        return self._retrying(lambda: self._client.files.content(file_id).content)

    def delete(self, file_id: str) -> None:
        """Delete a file, which quotes users. What the endpoint does not delete now it drops after a month."""
        try:
            _typed(lambda: self._client.files.delete(file_id))
        except TailraceError:
            return

    def _create(self, input_file_id: str, marker: str) -> BatchState:
        made = _typed(
            lambda: self._client.batches.create(
                input_file_id=input_file_id,
                endpoint=CHAT,
                completion_window="24h",
                metadata={MARKER: marker},
            )
        )
        return _state(made)

    def _find(self, marker: str, not_before: float) -> BatchState | None:
        def look() -> BatchState | None:
            for n, batch in enumerate(self._client.batches.list(limit=100)):
                if (batch.metadata or {}).get(MARKER) == marker:
                    return _state(batch)
                if n >= _MOST_LISTED or (batch.created_at or 0) < not_before - _CLOCK_SLACK_SECONDS:
                    break
            return None

        return _typed(look)

    def _retrying(self, call: Callable[[], R], *, single: bool = True, more: int = 1) -> R:
        retrying = Retrying(
            retry=retry_if_exception(lambda e: isinstance(e, CallFailed) and e.worth_retrying),
            stop=stop_after_attempt(self._policy.max_retries * more + 1),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(_typed, call) if single else retrying(call)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, CallFailed) and error.retry_after is not None:
            return error.retry_after
        return self._backoff(state)


def _typed(call: Callable[[], R]) -> R:
    """Make a call; what the package raises comes out typed, without the request on it."""
    try:
        return call()
    except openai.NotFoundError:
        failure: Exception = BatchGone("the endpoint knows no such batch or file")
    except (openai.APIError, TimeoutError, ValueError, TypeError, AttributeError) as error:
        failure = failure_of(error)
    raise failure


def _state(batch: Batch) -> BatchState:
    """Read a batch defensively: the package does not validate what servers send."""
    counts: Any = getattr(batch, "request_counts", None)
    data = getattr(getattr(batch, "errors", None), "data", None) or ()
    files = (getattr(batch, "output_file_id", None), getattr(batch, "error_file_id", None))
    return BatchState(
        id=batch.id,
        status=str(batch.status),
        answered=_count(counts, "completed") + _count(counts, "failed"),
        files=tuple(f for f in files if f),
        problems=tuple(str(getattr(e, "code", None) or "") for e in data),
    )


def _count(counts: Any, name: str) -> int:
    value = getattr(counts, name, None)
    return value if isinstance(value, int) else 0


def _no_batch_api() -> JudgeRefused:
    return JudgeRefused(
        "the judge's endpoint has no Batch API (HTTP 404)",
        hint="Set judge.mode to live, or judge.base_url to an endpoint with /v1/files and /v1/batches.",
    )
