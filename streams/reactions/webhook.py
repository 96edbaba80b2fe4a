"""Posting to a webhook: retries with patience that ends, and nothing of the secret URL in any message."""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum
from typing import Final

import httpx
from pydantic import SecretStr
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from contracts.errors import SettingsError, TransientError
from curation.judge.transport import parse_retry_after

log = logging.getLogger("tailrace.alerts")

MOST_PATIENCE_S: Final = 60.0
"""A server that asks for a longer pause is left to the next call."""

_AGAIN: Final = frozenset({408, 425, 429})


class Result(StrEnum):
    """What became of a call."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class _CallFailed(TransientError):
    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Webhook:
    """One URL that takes JSON by POST. Every call ends in finite time."""

    def __init__(self, url: SecretStr, *, timeout_s: float, max_retries: int) -> None:
        """Raises `SettingsError` when the URL is none."""
        self._url = _checked(url)
        self._timeout_s = timeout_s
        self._attempts = max_retries + 1
        self._backoff = wait_random_exponential(multiplier=0.5, max=MOST_PATIENCE_S)
        # The library logs the URL of every call at info.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)

    async def post(self, body: bytes, key: str) -> Result:
        """Post a JSON body; `key` tells the server a repeat from a new call (`Idempotency-Key`).

        Retries timeouts, broken connections, 429 and 5xx. `REFUSED`: another try would end the same.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception(_worth_retrying),
            stop=stop_after_attempt(self._attempts),
            wait=self._wait,
            reraise=True,
        )
        try:
            async with httpx.AsyncClient(timeout=self._timeout_s, follow_redirects=False) as client:
                status: int = await retrying(self._once, client, body, key)
        except _CallFailed as failed:
            log.warning("the webhook could not be reached: %s", failed)
            return Result.UNREACHABLE
        if 200 <= status < 300:
            return Result.DELIVERED
        log.error("the webhook refuses the alert: HTTP %d", status)
        return Result.REFUSED

    async def _once(self, client: httpx.AsyncClient, body: bytes, key: str) -> int:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        try:
            # The client's own timeout is per read: a server that trickles would never hit it.
            async with (
                asyncio.timeout(self._timeout_s),
                client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code
                pause = parse_retry_after(answer.headers)
        except (httpx.HTTPError, TimeoutError) as error:
            # Raised anew and without the cause: its text names the URL.
            reason = type(error).__name__
        else:
            if status not in _AGAIN and status < 500:
                return status
            raise _CallFailed(f"HTTP {status}", pause)
        raise _CallFailed(reason)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _CallFailed) and error.retry_after is not None:
            return error.retry_after
        return self._backoff(state)


def _worth_retrying(error: BaseException) -> bool:
    return isinstance(error, _CallFailed) and (error.retry_after or 0.0) <= MOST_PATIENCE_S


def _checked(url: SecretStr) -> str:
    plain = url.get_secret_value()
    try:
        parsed = httpx.URL(plain)
    except (httpx.InvalidURL, ValueError):
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise SettingsError("alerts.webhook is no http(s) URL", hint="Set TAILRACE_ALERTS__WEBHOOK.")
    return plain
