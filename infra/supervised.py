"""One command under the reaper: started, watched, stopped, killed, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra import reaper

_TAIL_BYTES = 2_000
_MARGIN_SECONDS = 2.0


class Supervised:
    """A running command whose output goes to a log file.

    It dies when this process does, even by SIGKILL; `folder` is then deleted. Ctrl-C in a terminal
    does not reach it: whoever started it stops it when done.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        log: Path,
        env: Mapping[str, str],
        grace_seconds: float,
    ) -> None:
        """Start `command` in `folder`. Raises `OSError` when the folder or the log cannot be used."""
        self._log = log
        self._grace = grace_seconds
        arguments = [str(os.getpid()), str(folder), str(grace_seconds), *map(str, command)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own supervisor, the caller's command
                [sys.executable, "-I", "-S", reaper.__file__, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the supervisor, the leader of the command's process group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the command is alive."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> int | None:
        """The command's exit code, or None when it still runs after `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting: several can then end side by side."""
        if self.running:
            self._process.terminate()

    def stop(self) -> None:
        """SIGTERM, SIGKILL after the grace; returns when the command is gone. Safe to call twice."""
        self.ask_to_stop()
        self._end(self._grace + _MARGIN_SECONDS)

    def kill(self) -> None:
        """SIGKILL; returns when the command is gone, its ports and files let go. Safe to call twice."""
        if self.running:
            self._process.send_signal(signal.SIGUSR1)
        self._end(_MARGIN_SECONDS)

    def tail(self) -> str:
        """The last lines of the log; empty when there is none."""
        return tail(self._log)

    def _end(self, seconds: float) -> None:
        if self.wait(seconds) is None:
            # The whole group, while its leader's id cannot have been given to anybody else.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


def tail(log: Path) -> str:
    """The last lines of a log file; empty when it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""
