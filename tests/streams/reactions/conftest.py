"""A broker, topics and a lake of their own per module (output topics have fixed names), and workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import TerminalError
from contracts.settings import JoinSettings, KafkaSettings, Settings, WebSettings
from infra.broker import EmbeddedBroker, broker_binary
from sinks.lake import Lake
from streams import topics
from tests.warm.process import WarmProcess

DEADLINE_S = 40.0


def until(condition: Callable[[], Any], what: str, timeout: float = DEADLINE_S) -> Any:
    """Wait for a truthy result and return it."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.1)
    raise AssertionError(f"not within {timeout:.0f} s: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Worker:
    """A worker in a process of its own."""

    process: WarmProcess
    port: int
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        """Status code and body of a web view; code 0 while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def status(self) -> dict[str, Any]:
        return json.loads(self.get("/status")[1])

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return self.get("/health/ready")[0] == 200

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a deployment with a fresh broker, applied topics and an empty lake."""
    try:
        broker_binary()
    except TerminalError as error:
        pytest.skip(f"no embedded broker here: {error} ({error.hint})")
    with EmbeddedBroker() as broker:
        settings = Settings(
            home=tmp_path_factory.mktemp("home"),
            kafka=KafkaSettings(
                bootstrap_servers=broker.bootstrap_servers, session_timeout_ms=6_000, partitions=2
            ),
            join=JoinSettings(
                horizon_minutes=0.02, lateness_seconds=0.2, idle_seconds=0.5, checkpoint_seconds=0.3
            ),
        )
        topics.apply(settings.kafka, settings.join)
        Lake(settings.lake_root).create()
        yield settings


@pytest.fixture(scope="module")
def start(place: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Worker]]:
    """Starts workers; what still runs at the end is killed."""
    started: list[Worker] = []

    def launch(*roles: str, settings: Settings = place, port: int = 0, fault: str = "") -> Worker:
        port = port or free_port()
        own = settings.model_copy(update={"web": WebSettings(port=port)})
        log = tmp_path_factory.mktemp("worker") / "log"
        with log.open("wb") as stream:
            process = WarmProcess(
                "tests.streams.reactions.launch",
                [own.model_dump_json(), *roles],
                environment={**os.environ, "FAULT": fault},
                stdout=stream,
                stderr=stream,
            )
        started.append(Worker(process, port, log))
        return started[-1]

    yield launch
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
