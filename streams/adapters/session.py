"""One dialogue told as a session: requests and signals, seconds apart, with ids that never change."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts import topics
from contracts.events import Consent, Message, RequestLogged, SignalKind, SignalObserved
from contracts.messages import text_message
from streams.recordings import RawEvent, RecordingInvalid

STEP: Final = timedelta(seconds=1)
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class AdapterOptions:
    """How recorded dialogues become events.

    `start`: time of the first event, with a timezone. `gap_seconds`: distance between the starts of
    dialogues; a dialogue that takes longer pushes the next one back, so they never overlap. `feature`:
    feature name, the adapter's own when None. `consent`: scopes granted on every request, none recorded
    when empty. `limit`: most dialogues to tell.
    """

    start: datetime = datetime(2025, 1, 1, tzinfo=UTC)
    gap_seconds: float = 5
    feature: str | None = None
    consent: tuple[str, ...] = ("training",)
    policy_version: str | None = None
    license: str | None = None
    limit: int | None = None


@dataclass(slots=True)
class Session:
    """Collects the events of one dialogue. `name` is unique and stable; all ids derive from it."""

    name: str
    start: datetime
    feature: str
    options: AdapterOptions
    events: list[RawEvent] = field(default_factory=list)

    def request(
        self,
        prompt: Sequence[Message],
        reply: Sequence[Message],
        *,
        name: str,
        model: str | None = None,
        attributes: dict[str, str] | None = None,
    ) -> str:
        """Add a request; returns its id."""
        request_id = f"{self.name}:{name}"
        options = self.options
        self._add(
            topics.REQUESTS,
            RequestLogged(
                event_id=f"{request_id}:request",
                request_id=request_id,
                session_id=self.name,
                user_id=self._user,
                occurred_at=self._now(),
                feature=self.feature,
                input_messages=list(prompt),
                output_messages=list(reply),
                model=model,
                consent=Consent(scopes=list(options.consent), policy_version=options.policy_version)
                if options.consent
                else None,
                license=options.license,
                attributes=attributes,
            ),
        )
        return request_id

    def signal(self, request_id: str, kind: SignalKind, *, text: str | None = None) -> None:
        """Add what the user did with the reply to `request_id`."""
        self._add(
            topics.SIGNALS,
            SignalObserved(
                event_id=f"{request_id}:{kind}",
                session_id=self.name,
                request_id=request_id,
                user_id=self._user,
                occurred_at=self._now(),
                kind=kind,
                text=text,
            ),
        )

    @property
    def _user(self) -> str:
        return f"{self.name}:user"

    def _now(self) -> str:
        return (self.start + len(self.events) * STEP).astimezone(UTC).isoformat()

    def _add(self, topic: str, event: RequestLogged | SignalObserved) -> None:
        self.events.append(RawEvent(topic, self.name.encode(), _encode(event)))


class Clock:
    """Hands out the start of each dialogue."""

    def __init__(self, options: AdapterOptions) -> None:
        if options.start.tzinfo is None:
            raise ValueError("AdapterOptions.start needs a timezone")
        if options.gap_seconds <= 0:
            raise ValueError("AdapterOptions.gap_seconds must be positive")
        self._next = options.start
        self._gap = timedelta(seconds=options.gap_seconds)

    def start(self) -> datetime:
        """When the next dialogue begins."""
        return self._next

    def finish(self, session: Session) -> list[RawEvent]:
        """Close a dialogue and move on by as many gaps as it took; returns its events."""
        gaps = max(1, math.ceil(len(session.events) * STEP / self._gap))
        self._next += gaps * self._gap
        return session.events


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a JSONL file with their line numbers from 1. Raises `RecordingInvalid`."""
    number = 0
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ValueError("not an object")
                    yield number, row
    except OSError as error:
        raise RecordingInvalid(
            f"{path}: cannot be read: {error.strerror}", hint="Check the path and its permissions."
        ) from None
    except ValueError:
        raise RecordingInvalid(
            f"{path}:{number}: not a JSON object", hint="The file must be UTF-8 JSON Lines."
        ) from None


def turns(path: Path, number: int, row: dict[str, Any], name: str) -> list[Message]:
    """A list of ``{"role", "content"}`` turns as messages, text untouched. Raises `RecordingInvalid`."""
    given = row.get(name)
    if isinstance(given, list) and given:
        pairs = [(t.get("role"), t.get("content")) if isinstance(t, dict) else (None, None) for t in given]
        if all(isinstance(role, str) and isinstance(content, str) for role, content in pairs):
            return [text_message(str(role), str(content)) for role, content in pairs]
    raise RecordingInvalid(
        f"{path}:{number}: {name} is not a list of role and content", hint="Is this the right adapter?"
    )
