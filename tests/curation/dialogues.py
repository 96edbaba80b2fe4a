"""Small conversations with the evidence that makes, or does not make, a training row of them."""

from __future__ import annotations

from typing import Any

from tests.factories import outcome_event, request_event, signal_event

Events = list[tuple[str, dict[str, Any]]]
TRAINING = {"scopes": ["training"], "policy_version": "2026-01"}

WRONG = "The capital of Australia is Sydney, a large city on the coast of New South Wales."
RIGHT = "The capital of Australia is Canberra, a planned city between Sydney and Melbourne."


def asked(name: str, *, response: str = WRONG, seconds: float = 0, **fields: Any) -> Events:
    """One request with consent; session, user and request are named after it."""
    fields = {
        "session_id": f"session-{name}",
        "user_id": f"user-{name}",
        "prompt": f"What is the capital of Australia? ({name})",
        "response": response,
        "consent": TRAINING,
        **fields,
    }
    return [
        ("request", request_event(fields.pop("request_id", f"request-{name}"), seconds=seconds, **fields))
    ]


def did(name: str, kind: str, *, seconds: float = 10, request: str | None = None, **fields: Any) -> Events:
    """One signal on the request of that name."""
    event = signal_event(
        f"signal-{name}-{kind}-{seconds}",
        seconds=seconds,
        session_id=f"session-{name}",
        request_id=request or f"request-{name}",
        kind=kind,
        **fields,
    )
    return [("signal", event)]


def turned_out(name: str, success: bool, *, seconds: float = 60) -> Events:
    """One outcome of the request of that name."""
    event = outcome_event(
        f"outcome-{name}-{seconds}",
        seconds=seconds,
        session_id=f"session-{name}",
        request_id=f"request-{name}",
        success=success,
    )
    return [("outcome", event)]


def edited(name: str, text: str = RIGHT, **fields: Any) -> Events:
    """A request whose user corrected the response."""
    return asked(name, **fields) + did(name, "edit", text=text)


def regenerated(name: str, **fields: Any) -> Events:
    """A request regenerated once; the second answer was accepted."""
    again = asked(name, response=RIGHT, seconds=20, request_id=f"request-{name}-2", **fields)
    return (
        asked(name, **fields)
        + did(name, "regenerate")
        + again
        + did(name, "accept", seconds=30, request=f"request-{name}-2")
    )
