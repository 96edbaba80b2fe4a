"""How a worker ends when it cannot go on: a non-zero exit, one message with a hint, no traceback."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from contracts.settings import KafkaSettings, Settings
from streams.emitter import Emitter
from streams.reactions.app import JOIN, REACTIONS
from tests.streams.reactions.conftest import Worker, free_port, until


def test_a_terminal_join_error_ends_the_process(place: Settings, start: Callable[..., Worker]) -> None:
    worker = start(JOIN)
    until(worker.ready, "ready")
    shutil.rmtree(Path(place.lake_root) / "signals")
    with Emitter(place.kafka.bootstrap_servers) as emitter:
        emitter.signal(session_id="s", kind="report")
    assert worker.process.wait(30) == 1
    log = worker.log.read_text()
    assert "error: table signals is missing" in log
    assert "hint: Run `tailrace worker`" in log
    assert "Traceback" not in log


def test_no_broker_is_one_clear_error(place: Settings, start: Callable[..., Worker]) -> None:
    nowhere = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}", session_timeout_ms=6_000)
    worker = start(REACTIONS, settings=place.model_copy(update={"kafka": nowhere}))
    assert worker.process.wait(30) == 1
    log = worker.log.read_text()
    assert "error: no Kafka broker answers" in log
    assert "Traceback" not in log
