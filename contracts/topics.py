"""Names of the topics and which event each carries."""

from __future__ import annotations

from typing import Final

from contracts.events import ConsentChanged, OutcomeRecorded, RequestLogged, SignalObserved

REQUESTS: Final = "llm.requests"
SIGNALS: Final = "user.signals"
OUTCOMES: Final = "downstream.outcomes"
CONSENTS: Final = "consent.events"

INTERACTIONS: Final = "tailrace.interactions"
FAILURES: Final = "tailrace.failures"
DEAD_LETTERS: Final = "tailrace.dead-letters"
DECAY: Final = "tailrace.decay"
DROPS: Final = "tailrace.drops"
ALERTS: Final = "tailrace.alerts"

JOINED_TOPICS: Final = (REQUESTS, SIGNALS, OUTCOMES)
"""The three topics of the join: same partition count, same key, same partitioner."""

INPUT_TOPICS: Final = (*JOINED_TOPICS, CONSENTS)
OUTPUT_TOPICS: Final = (INTERACTIONS, FAILURES, DEAD_LETTERS, DECAY, DROPS, ALERTS)

EVENT_TYPES: Final = {
    REQUESTS: RequestLogged,
    SIGNALS: SignalObserved,
    OUTCOMES: OutcomeRecorded,
    CONSENTS: ConsentChanged,
}
"""Topic → the Struct its values decode to."""
