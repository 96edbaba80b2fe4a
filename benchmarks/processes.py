"""Run one measured program in a fresh process: its CPU time, its peak memory, no trace left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts.errors import TerminalError

ROOT: Final = Path(__file__).resolve().parent.parent
_SAMPLE_S: Final = 0.05
_TAIL_CHARS: Final = 1_500
_PAGE_MB: Final = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a child process said (`answer`) and what it cost.

    `cpu_s` and `peak_rss_mb` cover the whole process and its children, start-up included. Pages
    shared between processes count for each of them.
    """

    answer: dict[str, Any]
    cpu_s: float
    peak_rss_mb: float
    wall_s: float


def run(
    module: str,
    task: Mapping[str, Any],
    *,
    timeout_s: float,
    python: str | Path = sys.executable,
) -> Measured:
    """Run `python -m module TASK.json ANSWER.json` from the repository and return its answer.

    Raises `TerminalError` with the end of its log when it fails, gives no answer, or takes longer
    than `timeout_s`; the process and its children are ended then.
    """
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-child-") as folder:
        task_file, answer_file, log_file = (Path(folder) / n for n in ("task.json", "answer.json", "log"))
        task_file.write_text(json.dumps({**task, "folder": folder}))
        started = time.perf_counter()
        with log_file.open("wb") as log:
            child = subprocess.Popen(
                [str(python), "-m", module, str(task_file), str(answer_file)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            cpu_s, peak_mb, late = _watch(child, started + timeout_s)
        finally:
            _end(child)
        wall_s = time.perf_counter() - started
        if late or child.returncode or not answer_file.exists():
            reason = f"took longer than {timeout_s:.0f} s" if late else f"exit code {child.returncode}"
            tail = log_file.read_text(errors="replace").strip()[-_TAIL_CHARS:]
            raise TerminalError(f"{module} did not finish: {reason}; its log ends:\n{tail}")
        return Measured(json.loads(answer_file.read_text()), cpu_s, peak_mb, wall_s)


def _watch(child: subprocess.Popen[bytes], deadline: float) -> tuple[float, float, bool]:
    """(CPU seconds, peak MB, whether the time ran out); reaps the child."""
    peak_mb = 0.0
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime, peak_mb, False
        if time.perf_counter() > deadline:
            return 0.0, peak_mb, True
        # Not ru_maxrss: a child starts with its parent's.
        peak_mb = max(peak_mb, rss_mb(child.pid), _high_water_mb(child.pid))
        time.sleep(_SAMPLE_S)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End whatever is left of the child's session (it leads its own process group)."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        if child.returncode is None:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                continue
        time.sleep(0.05)


def tree(pid: int) -> list[int]:
    """A process and its descendants; empty when it is gone."""
    found, todo = [], [pid]
    while todo:
        current = todo.pop()
        try:
            threads = os.listdir(f"/proc/{current}/task")  # noqa: PTH208 - sampled often: names are enough
        except OSError:
            continue
        found.append(current)
        for thread in threads:
            try:
                with open(f"/proc/{current}/task/{thread}/children") as children:  # noqa: PTH123
                    todo.extend(map(int, children.read().split()))
            except OSError:
                # The thread has ended; its children went to another of the process.
                continue
    return found


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, MiB; pages they share count for each."""
    total = 0.0
    for one in tree(pid):
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * _PAGE_MB
        except (OSError, IndexError):
            continue
    return total


def _high_water_mb(pid: int) -> float:
    """The most one process has held so far, MiB; sees what happened between samples."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024 if "VmHWM:" in status else 0.0


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, its living descendants and the children they waited for, seconds."""
    total = 0.0
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) * _TICK_S
    return total


class IdleMeter:
    """Measures how long some processes did nothing, between `begin` and `end`.

    The drain of a stream ends with a wait for more events. That wait is no work, but work may still go
    on during it; so only the time in which hardly any CPU was used counts as idle.
    """

    BUSY: Final = 0.15

    def __init__(self, pids: Sequence[int], ready: Callable[[], bool]) -> None:
        """Watch `pids` with their descendants, from when `ready` first says so."""
        self._pids = list(pids)
        self._ready = ready
        self._stop = threading.Event()
        self._idle_s = 0.0
        self._thread = threading.Thread(target=self._run, name="idle-meter", daemon=True)

    def __enter__(self) -> IdleMeter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def idle_s(self) -> float:
        """Idle seconds so far."""
        return self._idle_s

    def _run(self) -> None:
        while not self._ready():
            if self._stop.wait(0.02):
                return
        at, cpu = time.perf_counter(), self._cpu()
        while not self._stop.wait(0.1):
            now, used = time.perf_counter(), self._cpu()
            if used - cpu < self.BUSY * (now - at):
                self._idle_s += now - at
            at, cpu = now, used

    def _cpu(self) -> float:
        return sum(cpu_seconds(pid) for pid in self._pids)
