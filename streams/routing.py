"""Where an event goes: its topic, when it does not say, and its key.

The key is the `session_id`, else the `request_id`; a consent change is keyed by its `user_id`. So
everything about one session lies in one partition. An application that has sessions must therefore
name the session on every event: an outcome that only knows its request is keyed by that request and
may land in another partition than the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from contracts import topics
from contracts.events import ConsentChanged, Event, SignalKind
from contracts.settings import KafkaSettings

SIGNAL_KINDS: Final = frozenset(get_args(SignalKind))
_OUTCOME_ONLY: Final = frozenset({"success", "supersedes", "source"})


def key_of(event: Event) -> str:
    """The Kafka key of an event. Empty only for an outcome without any target, which is invalid."""
    if isinstance(event, ConsentChanged):
        return event.user_id
    return event.session_id or event.request_id or ""


def key_of_fields(fields: Mapping[str, Any], topic: str) -> str | None:
    """The key of a decoded but unchecked event, or None when its id fields are missing or no text."""
    names = ("user_id",) if topic == topics.CONSENTS else ("session_id", "request_id")
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def infer_topic(fields: Mapping[str, Any]) -> str | None:
    """The input topic a bare event belongs to, or None when its fields do not say clearly.

    - `scope` and `granted`: a consent change;
    - `feature` and `request_id`: a request;
    - any of `success`, `supersedes`, `source` beside `kind`: an outcome;
    - a `kind` that is a known signal, without those three: a signal.

    An outcome of a kind of its own with none of the three is *not* guessed: it looks the same as a
    signal whose kind is misspelt.
    """
    found = []
    if "scope" in fields and "granted" in fields:
        found.append(topics.CONSENTS)
    if "feature" in fields and "request_id" in fields:
        found.append(topics.REQUESTS)
    kind = fields.get("kind")
    if kind is not None:
        if not _OUTCOME_ONLY.isdisjoint(fields):
            found.append(topics.OUTCOMES)
        elif isinstance(kind, str) and kind in SIGNAL_KINDS:
            found.append(topics.SIGNALS)
    return found[0] if len(found) == 1 else None


def topic_names(kafka: KafkaSettings) -> dict[str, str]:
    """Input topic of the contract → its name on this cluster."""
    return {
        topics.REQUESTS: kafka.requests_topic,
        topics.SIGNALS: kafka.signals_topic,
        topics.OUTCOMES: kafka.outcomes_topic,
        topics.CONSENTS: kafka.consents_topic,
    }
