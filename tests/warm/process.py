"""Processes forked from the fork server, used as `subprocess.Popen` is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

CHECKOUT = Path(__file__).parents[2]


@cache
def _server(owner: int) -> str:
    """Path of the socket of the fork server of this process of pytest."""
    folder = tempfile.mkdtemp(prefix=f"warm-{owner}-")
    path = f"{folder}/socket"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TAILRACE_")}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.warm.server", path],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=inherited,
        start_new_session=True,
    )
    # It ends with its input, which closes with this process, however that ends.
    assert server.stdout is not None
    assert server.stdout.read(1) == b"\n", "the fork server did not start"
    _kept.append(server)
    return path


_kept: list[subprocess.Popen[bytes]] = []


class WarmProcess:
    """``python -m module arguments`` in a process of its own, without the time of its imports."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        cwd: str | Path = CHECKOUT,
        environment: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> None:
        self.returncode: int | None = None
        self._told = b""
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.connect(_server(os.getpid()))
        wanted = {
            "module": module,
            "arguments": list(arguments),
            "cwd": str(cwd),
            "environment": dict(environment),
        }
        message = json.dumps(wanted).encode() + b"\n"
        with Path(os.devnull).open("rb") as nothing:
            sent = socket.send_fds(
                self._connection, [message], [nothing.fileno(), stdout.fileno(), stderr.fileno()]
            )
        self._connection.sendall(message[sent:])
        while b"\n" not in self._told:
            self._read(None)
        pid, _, self._told = self._told.partition(b"\n")
        self.pid = int(pid)

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended. Raises `subprocess.TimeoutExpired`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            code = self._ended(left)
            if code is not None:
                return code
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and self._read(timeout) and b"\n" in self._told:
            self.returncode = int(self._told)
            self._connection.close()
        return self.returncode

    def _read(self, timeout: float | None) -> bool:
        self._connection.settimeout(timeout)
        try:
            read = self._connection.recv(4096)
        except (TimeoutError, BlockingIOError):
            return False
        if not read:
            raise RuntimeError("the fork server ended before its process did")
        self._told += read
        return True
