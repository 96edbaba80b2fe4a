"""The simulation as a whole: sessions overlap in time and their events stream in arrival order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final

from contracts.events import ConsentChanged
from contracts.topics import CONSENTS
from contracts.validation import DAY
from streams.simulator.behavior import Rollouts
from streams.simulator.config import SESSION_SHARE, SimulationConfig
from streams.simulator.delivery import Delivery
from streams.simulator.dice import Dice
from streams.simulator.population import Population
from streams.simulator.records import SimulatedEvent, Truth
from streams.simulator.sessions import Session, World
from streams.simulator.wire import Sent, encode, rfc3339

_EVENTS_PER_SESSION: Final = 7.7


class Simulation:
    """One simulated span. Nothing is drawn before it is asked for, and every pass is the same."""

    def __init__(self, config: SimulationConfig) -> None:
        self.config = config
        self._truth: list[Truth] | None = None

    @property
    def events(self) -> Iterator[SimulatedEvent]:
        """A fresh pass over all messages: live ones in arrival order, then the late ones."""
        return self._run()

    @property
    def truth(self) -> list[Truth]:
        """One row per request, in order of session start. Known after a whole pass, else a pass is made."""
        if self._truth is None:
            for _ in self._run():
                pass
        return self._truth or []

    @property
    def estimated_events(self) -> int:
        """About how many messages a pass yields, for progress bars."""
        return round(self.config.sessions * _EVENTS_PER_SESSION)

    def _run(self) -> Iterator[SimulatedEvent]:
        config = self.config
        world = World(config, Population(config), Rollouts(config))
        truths: list[Truth] = []
        queue: list[tuple[int, int, SimulatedEvent]] = []
        late: list[Sent] = []
        number = last = 0
        consents = Delivery(config, "consents")
        for sent in _consent_changes(world.population):
            for event in consents.live(sent):
                heappush(queue, (event.arrives_at_us, number := number + 1, event))
        for i, start_us in enumerate(_session_starts(config)):
            # no later session can send anything before it has started
            while queue and queue[0][0] < start_us:
                last, _, event = heappop(queue)
                yield event
            session = Session(world, i, start_us)
            delivery = Delivery(config, i)
            truths += session.truths
            for sent in session.sent:
                if sent.late:
                    late.append(sent)
                    continue
                for event in delivery.live(sent):
                    heappush(queue, (event.arrives_at_us, number := number + 1, event))
        while queue:
            last, _, event = heappop(queue)
            yield event
        late.sort(key=lambda sent: sent.time_us)
        opens_us = max(last, config.end_us)
        for sent in late:
            yield consents.late(sent, opens_us)
        self._truth = truths


def simulate(config: SimulationConfig) -> Simulation:
    """Simulate a product; see `Simulation` for what can be read from it."""
    return Simulation(config)


def _session_starts(config: SimulationConfig) -> list[int]:
    """Start times in order, UTC microseconds: busy days, quiet nights."""
    d = Dice("schedule", config.seed)
    span = (config.end_us - config.start_us) * SESSION_SHARE
    starts: list[int] = []
    while len(starts) < config.sessions:
        moment = config.start_us + int(d.random() * span / 1000) * 1000
        daylight = 0.55 - 0.45 * math.cos(2 * math.pi * (moment % DAY) / DAY)
        if d.random() < daylight:
            starts.append(moment)
    starts.sort()
    return starts


def _consent_changes(population: Population) -> list[Sent]:
    found: list[Sent] = []
    for user in population.users:
        for change in user.changes:
            event = ConsentChanged(
                event_id=change.event_id,
                user_id=user.user_id,
                scope=change.scope,
                granted=change.granted,
                policy_version=user.policy,
                occurred_at=rfc3339(change.time_us),
            )
            found.append(Sent(CONSENTS, user.user_id.encode(), encode(event), change.time_us))
    return found
