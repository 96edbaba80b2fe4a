"""Workers are killed again and again while they judge: no failure is lost, none is paid for twice."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from contracts.settings import Settings
from streams.reactions.app import REACTIONS
from tests.curation.judge.server import FakeServer, hosted
from tests.streams.reactions.conftest import Worker, until
from tests.streams.reactions.judged import Judged, judging_settings, kill


@pytest.mark.faults
def test_workers_killed_again_and_again(place: Settings, start: Callable[..., Worker]) -> None:
    """Two workers share the work; one of them dies every time some more was judged, and is replaced."""
    dice, kills = random.Random(1), 6
    with hosted() as host:
        server = host.server = FakeServer(base_url=host.base_url, delay=0.05)
        judged = Judged(judging_settings(place, server), server)
        workers = [start(REACTIONS, settings=judged.settings) for _ in range(2)]
        for _ in range(kills):
            judged.send(150)
            enough = server.calls.total() + dice.randrange(10, 80)
            until(lambda enough=enough: server.calls.total() > enough, "judging", 120)
            kill(workers.pop(dice.randrange(2)))
            judged.note_paid()
            judged.assert_committed_only_what_is_stored()
            workers.append(start(REACTIONS, settings=judged.settings))
        until(lambda: judged.rows().height == judged.sent, "all judged", 120)
        until(lambda: sum(judged.committed().values()) == judged.sent, "all committed", 60)
        for worker in workers:
            assert worker.stop() == 0
        judged.assert_complete(kills)
