"""Two workers share the reactions: both see every consent change, each needs its own web port."""

from __future__ import annotations

from collections.abc import Callable

from contracts.settings import Settings
from streams.emitter import Emitter
from streams.reactions.app import REACTIONS
from tests.streams.reactions.conftest import Worker, until


def test_both_know_every_consent_change(place: Settings, start: Callable[..., Worker]) -> None:
    def known(worker: Worker) -> int:
        return int(worker.status()["reactions"]["consents_known"])

    with Emitter(place.kafka.bootstrap_servers) as emitter:
        # In one batch: the embedded broker then reports an end offset that is too low, at which
        # Faust's consistency check would end table recovery for good.
        for i in range(10):
            emitter.consent(user_id=f"u{i}", scope="training", granted=False)
        emitter.flush()
        first = start(REACTIONS)
        until(lambda: first.ready() and known(first) == 10, "the first worker's table")
        second = start(REACTIONS)
        until(lambda: second.ready() and first.ready(), "both ready after the rebalance")
        for i in range(10, 20):
            emitter.consent(user_id=f"u{i}", scope="training", granted=False)
        emitter.flush()
    until(lambda: known(first) == 20 and known(second) == 20, "both tables whole")
    third = start(REACTIONS, port=first.port)
    assert third.process.wait(30) == 1
    assert f"error: the web port {first.port} on 127.0.0.1 is taken" in third.log.read_text()
    assert second.stop() == 0
    assert first.stop() == 0
