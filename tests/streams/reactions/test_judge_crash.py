"""A worker is killed while it judges: another takes over, loses no failure and pays for none twice."""

from __future__ import annotations

from collections.abc import Callable

from contracts.settings import Settings
from streams.reactions.app import REACTIONS
from tests.curation.judge.server import FakeServer, hosted
from tests.streams.reactions.conftest import Worker, until
from tests.streams.reactions.judged import Judged, judging_settings, kill


def test_a_killed_judge_loses_and_repeats_nothing(place: Settings, start: Callable[..., Worker]) -> None:
    with hosted() as host:
        server = host.server = FakeServer(base_url=host.base_url, delay=0.05)
        judged = Judged(judging_settings(place, server), server)
        judged.send(300)
        first = start(REACTIONS, settings=judged.settings)
        until(lambda: server.billed >= 120, "judging", 120)
        kill(first)
        judged.note_paid()
        assert len(judged.paid) >= 100
        judged.assert_committed_only_what_is_stored()
        second = start(REACTIONS, settings=judged.settings)
        until(lambda: judged.rows().height == 300, "all judged", 120)
        assert second.stop() == 0
        judged.assert_complete(kills=1)
