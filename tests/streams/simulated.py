"""Reading a simulation the way a pipeline would: decode, check, drop repeats."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from contracts import messages, validation
from contracts.errors import EventInvalid
from contracts.events import ConsentChanged, OutcomeRecorded, RequestLogged, SignalObserved
from contracts.topics import CONSENTS, EVENT_TYPES, OUTCOMES, REQUESTS, SIGNALS
from streams.simulator import SimulatedEvent, Simulation

MAX_BYTES = 1 << 20
DECODERS = {topic: msgspec.json.Decoder(kind) for topic, kind in EVENT_TYPES.items()}


def read(event: SimulatedEvent, now_us: int):
    """The decoded event (texts normalized) and its event time, or `EventInvalid`."""
    decoded = validation.decode_json(DECODERS[event.topic], event.value, max_bytes=MAX_BYTES)
    time_us = validation.check(decoded, now_us=now_us)
    if isinstance(decoded, RequestLogged):
        decoded.input_messages = messages.normalize(
            decoded.input_messages, decoded.prompt, role="user", field="input_messages"
        )
        decoded.output_messages = messages.normalize(
            decoded.output_messages, decoded.response, role="assistant", field="output_messages"
        )
    return decoded, time_us


@dataclass
class Reading:
    """One whole pass, sorted out."""

    events: list[SimulatedEvent] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    duplicates: int = 0
    times: list[tuple[SimulatedEvent, int]] = field(default_factory=list)
    requests: dict[str, tuple[RequestLogged, int]] = field(default_factory=dict)
    signals: list[tuple[SignalObserved, int]] = field(default_factory=list)
    outcomes: list[tuple[OutcomeRecorded, int, SimulatedEvent]] = field(default_factory=list)
    consents: list[tuple[ConsentChanged, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sessions: dict[str, list[str]] = {}

    def session_of(self, request_id: str) -> str:
        return self.requests[request_id][0].session_id or request_id


def read_all(simulation: Simulation) -> Reading:
    now_us = simulation.config.end_us
    reading, seen = Reading(), set()
    for event in simulation.events:
        reading.events.append(event)
        try:
            decoded, time_us = read(event, now_us)
        except EventInvalid as error:
            reading.reasons.append(error.reason)
            continue
        if decoded.event_id in seen:
            reading.duplicates += 1
            continue
        seen.add(decoded.event_id)
        reading.times.append((event, time_us))
        if event.topic == REQUESTS:
            reading.requests[decoded.request_id] = (decoded, time_us)
        elif event.topic == SIGNALS:
            reading.signals.append((decoded, time_us))
        elif event.topic == OUTCOMES:
            reading.outcomes.append((decoded, time_us, event))
        elif event.topic == CONSENTS:
            reading.consents.append((decoded, time_us))
    for request_id, _ in sorted(reading.requests.items(), key=lambda item: item[1][1]):
        reading.sessions.setdefault(reading.session_of(request_id), []).append(request_id)
    return reading
