"""The parent's handle on a worker process of the fault tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from contracts.settings import Settings
from tests.warm.process import WarmProcess

DEADLINE_S: Final = 90.0
"""Not a measurement: how long a test waits before it says that something hangs."""

FAILED: Final = 3
"""Exit code of a worker that ended with an error of ours."""

_ROOT: Final = Path(__file__).parents[2]


def at_step(point: str, occurrence: int = 1, *, with_signal: int = signal.SIGKILL) -> dict[str, Any]:
    """A fault: the process gets `with_signal` when it reaches `point` for the n-th time.

    Points: the steps of `Committer.store` (``bronze:requests`` … ``offsets``), right after each;
    ``append:<table>``, with the table loaded and nothing written; ``commit:<table>``, with the files
    written and the commit still to come.
    """
    return {"point": point, "occurrence": occurrence, "signal": int(with_signal)}


def after(seconds: float) -> dict[str, Any]:
    """A fault: SIGKILL so many seconds after the first message was read."""
    return {"after_seconds": seconds}


class WorkerProcess:
    """A running worker; use as a context manager, so that none is left behind."""

    def __init__(
        self,
        settings: Settings,
        *,
        fault: Mapping[str, Any] | None = None,
        drain: bool = False,
        **options: Any,
    ) -> None:
        """`options`: ``join_worker``, constants of that module to override; ``breaks_join``, ids of
        requests and signals that the join cannot take; ``breaks_table``, ids of requests whose
        interaction does not fit its table; ``merges_endlessly``, looks for files to merge
        after every checkpoint, and the first merge never ends."""
        folder = Path(tempfile.mkdtemp(prefix="worker-", dir=settings.home))
        self._status = folder / "status.json"
        self._log = folder / "log"
        spec = {
            "settings": settings.model_dump(mode="json", exclude_none=True),
            "status": str(self._status),
            "fault": dict(fault) if fault else None,
            "drain": drain,
            **options,
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        with self._log.open("wb") as output:
            self._process = WarmProcess(
                "tests.faults.worker",
                [str(folder / "spec.json")],
                environment={k: v for k, v in os.environ.items() if not k.startswith("TAILRACE_")},
                stdout=output,
                stderr=output,
            )

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def status(self) -> dict[str, Any]:
        """What the worker last told about itself; empty before it did."""
        try:
            told: dict[str, Any] = json.loads(self._status.read_text())
        except FileNotFoundError:
            return {}
        return told

    @property
    def log(self) -> str:
        """Everything it printed."""
        return self._log.read_text(errors="replace")

    def says(self, name: str, default: Any = 0) -> Any:
        """One value of the status."""
        return self.status.get(name, default)

    def wait_until(self, condition: Callable[[WorkerProcess], Any], what: str) -> None:
        """Wait for a condition; fails the test when the process ends before."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            # Before the condition: a process that ends in between has told everything it had to.
            code = self.code
            if condition(self):
                return
            assert code is None, f"ended ({code}) before: {what}\n{self.log[-3000:]}"
            assert time.monotonic() < deadline, f"not in time: {what}\n{self.status}\n{self.log[-3000:]}"
            time.sleep(0.05)

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        try:
            return self._process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end\n{self.status}\n{self.log[-3000:]}") from None

    def stop(self) -> int:
        """Ask it to end (SIGTERM) and wait."""
        self._process.terminate()
        return self.wait()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP; returns when it stands still."""
        self._process.send_signal(signal.SIGSTOP)
        self.wait_until(lambda w: w.paused, "stopped")

    def resume(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    @property
    def paused(self) -> bool:
        """Whether the process stands still."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except FileNotFoundError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"
