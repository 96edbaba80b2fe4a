"""One chat-completions call through the `openai` package, with every way it fails given a type.

What a request looks like and what a reply means is the same for calls in a batch.

Errors built here carry status codes only: servers echo prompts and parts of keys in their messages,
and the package's exceptions hold the whole request.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar, cast

import openai

from contracts.errors import JudgeRefused, JudgeUnavailable, TailraceError
from curation.judge.prompt import ChatMessages
from curation.judge.questions import ChatParameters, Form, Instrument
from curation.judge.verdicts import UnjudgedReason

MAX_RETRY_AFTER_SECONDS: Final = 120.0

_RETRIED_STATUS: Final = frozenset({408, 409, 425, 429})
_OVERLOAD_STATUS: Final = frozenset({408, 429, 503, 504, 529})
_CHECK_ADDRESS: Final = "Check judge.base_url, judge.model and judge.api_key."


class CallFailed(JudgeUnavailable):
    """A call failed in a way that may pass.

    ``retry_after`` is the wait the server asked for, seconds. ``billed``: the fate of the request is
    unknown or an answer was given, so the call must be counted. ``overload``: fewer calls at a time may help.
    """

    def __init__(
        self,
        reason: UnjudgedReason,
        detail: str,
        *,
        retry_after: float | None = None,
        billed: bool = False,
        overload: bool = False,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.retry_after = retry_after
        self.billed = billed
        self.overload = overload or retry_after is not None

    @property
    def worth_retrying(self) -> bool:
        """Whether the wait the server asks for is one we are ready to make."""
        return self.retry_after is None or self.retry_after <= MAX_RETRY_AFTER_SECONDS


class ItemFailed(TailraceError):
    """This item cannot be judged, whatever becomes of the others."""

    def __init__(self, reason: UnjudgedReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the model said. ``finish_reason`` as the server gave it; tokens 0 when not reported."""

    content: str
    refused: bool
    finish_reason: str
    input_tokens: int
    output_tokens: int


@dataclass
class Dialect:
    """What the endpoint turned out to understand; narrowed as it complains, never widened.

    `output` is how the form of an answer is asked for: OpenAI's `json_schema`; `json_object` with a schema
    beside it, as llama-cpp-python and others have it; or by the words of the prompt alone.
    """

    output: Literal["json_schema", "json_object", "text"] = "json_schema"
    temperature: bool = True
    tokens_name: str = "max_tokens"

    def narrow(self, status: int, complaint: str, used: Dialect) -> bool:
        """Learn from a rejection of a request made in dialect ``used``; True when it is worth repeating."""
        if status not in (400, 404, 422, 500, 501):
            return False
        if used.output != "text" and any(
            w in complaint for w in ("response_format", "json_schema", "structured output")
        ):
            if used.output == "json_object":
                self.output = "text"
            elif self.output == "json_schema":
                self.output = "json_object"
            return True
        if status not in (400, 422):
            return False
        if used.tokens_name == "max_tokens" and "max_completion_tokens" in complaint:
            self.tokens_name = "max_completion_tokens"
            return True
        if used.temperature and "temperature" in complaint:
            self.temperature = False
            return True
        return False


class ChatClient:
    """An open connection to one endpoint; use as an async context manager.

    Makes no retries of its own beyond learning the endpoint's dialect: a server without structured
    output is asked in plain words instead (the prompt describes the JSON in any case).
    """

    def __init__(self, instrument: Instrument) -> None:
        self._parameters = instrument.parameters
        self._dialect = Dialect()
        self._client = connect(openai.AsyncOpenAI, instrument)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def ask(self, messages: ChatMessages, form: Form) -> Reply:
        """Ask once and return the reply, whatever it says.

        Raises `CallFailed` (may pass), `ItemFailed` (this request is rejected) or `JudgeRefused`
        (every request would be).
        """
        while True:
            used = replace(self._dialect)
            outcome = await self._attempt(messages, form, used)
            if outcome is not None:
                break
        # Raised here and not where they were caught, so that they do not drag the request along.
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _attempt(self, messages: ChatMessages, form: Form, used: Dialect) -> Reply | Exception | None:
        try:
            # The client's own timeout is per read: a server that trickles would never hit it.
            async with asyncio.timeout(self._parameters.timeout_seconds):
                request = chat_request(self._parameters, messages, form, used)
                completion = await self._client.chat.completions.create(**request)
        except openai.APIStatusError as error:
            if self._dialect.narrow(error.status_code, complaint_of(error), used):
                return None
            return failure_of(error)
        except (TimeoutError, openai.APIError, ValueError, TypeError) as error:
            return failure_of(error)
        if isinstance(completion, str):
            # The package hands over a body that does not call itself JSON as text: a proxy speaks.
            return failure_of(ValueError())
        return reply_of(completion)


Client = TypeVar("Client", openai.OpenAI, openai.AsyncOpenAI)


def connect(kind: type[Client], instrument: Instrument) -> Client:
    """A client of an endpoint; it makes no retries of its own."""
    endpoint = instrument.endpoint
    client = kind(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key.get_secret_value(),
        timeout=instrument.parameters.timeout_seconds,
        max_retries=0,
    )
    if not endpoint.is_openai:
        # The package picks these up from the environment; they are nobody else's business.
        client.organization = None
        client.project = None
    return client


def chat_request(
    parameters: ChatParameters, messages: ChatMessages, form: Form, used: Dialect
) -> dict[str, Any]:
    """The body of a chat-completions request in a dialect."""
    request: dict[str, Any] = {
        "model": parameters.model,
        "messages": messages,
        used.tokens_name: parameters.max_tokens,
    }
    if used.temperature:
        request["temperature"] = parameters.temperature
    schema = dict(form.schema)
    if used.output == "json_schema":
        wanted = {"name": form.name, "strict": True, "schema": schema}
        request["response_format"] = {"type": "json_schema", "json_schema": wanted}
    elif used.output == "json_object":
        request["response_format"] = {"type": "json_object", "schema": schema}
    return request


def failure_of(error: Exception) -> Exception:
    """What an exception of the package, or around it, means for us.

    A `CallFailed` is billed where the fate of the request is unknown.
    """
    if isinstance(error, openai.APIStatusError):
        wait = parse_retry_after(error.response.headers)
        return status_error(error.status_code, complaint_of(error), retry_after=wait)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return CallFailed(UnjudgedReason.TIMEOUT, "no answer in time", billed=True, overload=True)
    if isinstance(error, openai.APIError):
        return CallFailed(UnjudgedReason.UNAVAILABLE, "the connection broke", billed=True)
    # The body is no JSON, or no completion: cut off on the way, or a proxy speaks.
    return CallFailed(UnjudgedReason.UNAVAILABLE, "the answer is not a completion", billed=True)


def status_error(status: int, complaint: str, *, retry_after: float | None = None) -> Exception:
    """What a status other than 200 means; ``complaint``: what the server said, in lower case."""
    detail = f"HTTP {status}"
    if status == 429 and "insufficient_quota" in complaint:
        return JudgeRefused(
            "the judge's endpoint says the quota is used up", hint="Check plan and billing of the key."
        )
    if status in _RETRIED_STATUS or status >= 500:
        reason = UnjudgedReason.RATE_LIMITED if status == 429 else UnjudgedReason.UNAVAILABLE
        overload = status in _OVERLOAD_STATUS
        return CallFailed(reason, detail, retry_after=retry_after, overload=overload)
    if status in (401, 403):
        return JudgeRefused(f"the judge's endpoint rejects the key ({detail})", hint=_CHECK_ADDRESS)
    if status == 404:
        return JudgeRefused(
            f"the judge's endpoint knows no such model or path ({detail})", hint=_CHECK_ADDRESS
        )
    if status == 413 or any(w in complaint for w in ("context_length", "context length", "context size")):
        return ItemFailed(UnjudgedReason.TOO_LONG, detail)
    return ItemFailed(UnjudgedReason.REJECTED, detail)


def complaint_of(error: openai.APIStatusError) -> str:
    """What the server complains of, in lower case; it may quote the request."""
    return f"{error.code or ''} {error.param or ''} {error.message}".lower()


def reply_of(completion: Any) -> Reply:
    """Read a completion defensively: the package does not validate what servers send."""
    usage = getattr(completion, "usage", None)
    choices = getattr(completion, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    content = getattr(message, "content", None)
    return Reply(
        content=content if isinstance(content, str) else "",
        refused=bool(getattr(message, "refusal", None)),
        finish_reason=str(getattr(choice, "finish_reason", None) or ""),
        input_tokens=_tokens(usage, "prompt_tokens"),
        output_tokens=_tokens(usage, "completion_tokens"),
    )


def content_of(reply: Reply) -> str:
    """The text of a reply; a reply without text is an error of the kind that fits."""
    if reply.refused:
        raise ItemFailed(UnjudgedReason.REFUSAL, "the model declined to judge")
    if reply.finish_reason == "content_filter":
        raise ItemFailed(UnjudgedReason.CONTENT_FILTER, "the provider's filter stopped the answer")
    if not reply.content.strip():
        # Proxies under load answer like this; the next try usually succeeds.
        raise CallFailed(UnjudgedReason.EMPTY_ANSWER, "the answer has no content", billed=True)
    return reply.content


def _tokens(usage: Any, name: str) -> int:
    value = getattr(usage, name, None)
    return value if isinstance(value, int) and value > 0 else 0


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait from `retry-after-ms` or `Retry-After` (number or HTTP date), None without either."""
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / divisor
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        moment = email.utils.parsedate_to_datetime(cast(str, headers.get("retry-after")))
    except (TypeError, ValueError):
        return None
    return max(0.0, moment.timestamp() - time.time())
