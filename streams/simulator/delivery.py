"""From events that happened to messages that arrive: disorder, duplicates, stragglers, garbage."""

from __future__ import annotations

from contracts.topics import CONSENTS
from contracts.validation import SECOND
from streams.simulator.config import SimulationConfig
from streams.simulator.dice import Dice
from streams.simulator.malformed import broken_copy
from streams.simulator.records import SimulatedEvent
from streams.simulator.wire import Sent

_MINUTE = 60 * SECOND
LATE_PHASE_US = 60 * _MINUTE
"""The late phase spreads over an hour after the end of the span, or after the last live arrival."""


class Delivery:
    """Turns sent events into arriving ones, with randomness of its own."""

    def __init__(self, config: SimulationConfig, *name: str | int) -> None:
        self.config = config
        self.d = Dice("delivery", config.seed, *name)

    def live(self, sent: Sent) -> list[SimulatedEvent]:
        """One live event as it arrives, with its duplicate or a broken companion now and then."""
        d, config = self.d, self.config
        arrives = sent.time_us + self._delay()
        found = [SimulatedEvent(sent.topic, sent.key, sent.value, arrives, False)]
        if d.chance(config.duplicate_rate):
            # a producer that retries; one in ten only after it was restarted
            again = int(d.uniform(31, 75) * _MINUTE) if d.chance(0.1) else self._short_delay()
            found.append(SimulatedEvent(sent.topic, sent.key, sent.value, arrives + again, False))
        if d.chance(config.malformed_rate) and sent.topic != CONSENTS:
            found.append(SimulatedEvent(sent.topic, sent.key, broken_copy(d, sent), arrives, False))
        return found

    def late(self, sent: Sent, opens_us: int) -> SimulatedEvent:
        """Evidence that arrives days later: in the hour from `opens_us` on, in the order it happened."""
        config = self.config
        share = (sent.time_us - config.start_us) / (config.end_us - config.start_us)
        arrives = opens_us + int(share * LATE_PHASE_US)
        return SimulatedEvent(sent.topic, sent.key, sent.value, arrives, True)

    def _delay(self) -> int:
        if self.d.chance(self.config.straggler_rate):
            return int(self.d.uniform(2, 90) * _MINUTE)
        return self._short_delay()

    def _short_delay(self) -> int:
        d, bound = self.d, self.config.max_disorder_us
        # most messages take about a second, a fifth anything up to the bound
        roll = d.random()
        share = roll * roll * 0.06 if roll < 0.8 else d.random()
        return int(share * bound)
