"""One session from its first request to its last: requests, signals, outcomes and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from contracts.events import Actor, Message, SignalKind, SignalObserved
from contracts.messages import text_message
from contracts.topics import REQUESTS, SIGNALS
from contracts.validation import SECOND
from streams.simulator import failures, habits, reactions
from streams.simulator.behavior import Rollouts, Version
from streams.simulator.config import SimulationConfig
from streams.simulator.dice import Dice
from streams.simulator.outcomes import Served, outcomes
from streams.simulator.population import Population, User
from streams.simulator.reactions import Signal, react
from streams.simulator.records import Truth
from streams.simulator.replies import Reply, reply
from streams.simulator.requests import Turn, build_request, conversation
from streams.simulator.tasks import Task, new_task
from streams.simulator.texts import FEATURES
from streams.simulator.wire import Sent, encode, epoch_ms, with_unknown_field

MAX_REQUESTS: Final = 8
_MS: Final = 1000
_MARGIN_US: Final = 15 * 60 * SECOND
_MAX_LATENCY_MS: Final = 60_000
_NAMES: Final = tuple(FEATURES)


@dataclass(slots=True)
class World:
    """What all sessions share."""

    config: SimulationConfig
    population: Population
    rollouts: Rollouts


class Session:
    """Plays one session; `sent` and `truths` hold what came of it."""

    def __init__(self, world: World, number: int, start_us: int) -> None:
        self.world = world
        self.d = Dice("session", world.config.seed, number)
        self.sent: list[Sent] = []
        self.truths: list[Truth] = []
        self._served: list[Served] = []
        self._user = world.population.pick(self.d)
        self._known = self.d.chance(0.97)
        self._session_id = f"s-{self.d.bits(64):016x}"
        self._sessionless = self.d.chance(world.config.sessionless_rate)
        self._actor = self._draw_actor()
        self._play(start_us)
        for i, served in enumerate(self._served):
            named = None if self._sessionless else self._session_id
            last = i == len(self._served) - 1
            self.sent += outcomes(self.d, world.config, named, served, last=last)

    def _draw_actor(self) -> Actor:
        roll, config = self.d.random(), self.world.config
        if roll < config.internal_rate:
            return "internal"
        return "synthetic" if roll < config.internal_rate + config.synthetic_rate else "user"

    def _play(self, time_us: int) -> None:
        d, config = self.d, self.world.config
        limit = 1 if self._sessionless else MAX_REQUESTS
        # the signals of a request follow within this margin, so none lies beyond the end
        deadline = config.end_us - _MARGIN_US
        task = self._task()
        earlier: list[Message] = []
        attempt, previous_bad = 1, False
        turn = Turn(d, config, task, earlier)
        version = self.world.rollouts.at(task.feature.name, time_us)
        for number in range(1, limit + 1):
            answer = reply(d, task, self._flaw(version, task, retried=previous_bad))
            if self._sessionless:
                self._session_id = turn.request_id
            shown_us = self._log(turn, task, answer, version, time_us)
            last = number == limit
            reaction = react(d, config, self._user.habit, answer, attempt=attempt, last=last)
            for signal in reaction.signals:
                self._observe(signal, turn.request_id, shown_us)
            bad = answer.reason is not None
            self._served.append(
                Served(turn.request_id, shown_us, bad, reaction.used, reaction.repaired, task.feature)
            )
            step = reaction.next_step
            time_us = (shown_us + reaction.pause_us) // _MS * _MS
            if step == reactions.END or last or time_us > deadline:
                return
            previous_bad = False
            if step in (habits.REGENERATE, "retry"):
                attempt, previous_bad, turn = attempt + 1, bad, turn.again(d)
                continue
            history = self._history(turn, task, answer, version)
            if step == habits.REPHRASE:
                attempt, previous_bad = attempt + 1, bad
                task.prompt = task.rephrase(d)
                # half of the users start over, the others go on in the same conversation
                if d.chance(0.5):
                    earlier = history
            elif step == reactions.FOLLOW_UP:
                attempt, task, earlier = 1, task.follow_up(d), history
            else:
                attempt, task, earlier = 1, self._task(), []
            # not on regenerating: a release in between would change the system message
            turn = Turn(d, config, task, earlier)
            version = self.world.rollouts.at(task.feature.name, time_us)

    def _task(self) -> Task:
        d = self.d
        name = self._user.favourite if d.chance(0.4) else d.pick(_NAMES)
        return new_task(d, FEATURES[name], style=self._user.style, pii_rate=self.world.config.pii_rate)

    def _flaw(self, version: Version, task: Task, *, retried: bool) -> str | None:
        d = self.d
        # what failed once is hard, so it fails again a little more often
        rate = version.failure_rate * (1.3 if retried else 0.97)
        if not d.chance(rate):
            return None
        mix = failures.REGRESSED_MIX if version.regressed else failures.USUAL_MIX
        reason = failures.CODES[d.index(mix)]
        if reason == failures.IGNORED_INSTRUCTION and task.instruction is None:
            return failures.WRONG_FACT
        return reason

    def _history(self, turn: Turn, task: Task, answer: Reply, version: Version) -> list[Message]:
        said = [*conversation(turn.earlier, version.system, task.prompt), *turn.tool_messages]
        return [*said, text_message("assistant", answer.text)] if answer.text else turn.earlier

    def _log(self, turn: Turn, task: Task, answer: Reply, version: Version, time_us: int) -> int:
        d = self.d
        chars = len(answer.text or "")
        latency_ms = (
            int(min(d.log_normal(350 + chars * 3.5, 0.35), _MAX_LATENCY_MS))
            if answer.error_type is None
            else d.between(900, 20_000)
        )
        user: User | None = self._user if self._known else None
        event = build_request(
            d,
            turn,
            task,
            answer,
            version,
            session_id=None if self._sessionless else self._session_id,
            user=user,
            actor=self._actor,
            time_us=time_us,
            latency_ms=latency_ms,
        )
        value = with_unknown_field(d, event) if d.chance(0.01) else encode(event)
        self.sent.append(Sent(REQUESTS, self._session_id.encode(), value, time_us))
        self.truths.append(
            Truth(
                turn.request_id,
                self._session_id,
                task.feature.name,
                answer.reason is not None,
                answer.reason,
                version.name,
            )
        )
        return time_us + latency_ms * _MS

    def _observe(self, signal: Signal, request_id: str, shown_us: int) -> None:
        d = self.d
        time_us = (shown_us + signal.after_us) // _MS * _MS
        event = SignalObserved(
            event_id=f"g-{d.bits(64):016x}",
            session_id=self._session_id,
            # some front ends know only the session
            request_id=request_id if d.chance(0.9) else None,
            user_id=self._user.user_id if self._known else None,
            occurred_at=epoch_ms(time_us),
            kind=cast(SignalKind, signal.kind),
            value=signal.value,
            text=signal.text,
            surface=d.pick(self._served[-1].feature.surfaces) if self._served else None,
            actor=self._actor,
        )
        self.sent.append(Sent(SIGNALS, self._session_id.encode(), encode(event), time_us))
