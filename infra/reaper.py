"""Run one command and end it when the process that asked for it is gone, however it went.

`python reaper.py PARENT_PID FOLDER COMMAND…` starts COMMAND and waits. It ends the command

- on SIGTERM or SIGINT: SIGTERM first, SIGKILL after `GRACE_SECONDS`;
- when its parent process is no longer PARENT_PID (crash, SIGKILL, out of memory): the same way, and
  FOLDER, which nobody is left to read, is deleted.

Why a process between, and not PR_SET_PDEATHSIG on the command itself: that signal fires when the
*thread* that forked ends, so a broker started from a short-lived thread would die under its users.
The parent's process id has no such trap. This process has a single thread, so here the signal is
safe, and it covers the one case left: SIGKILL of the reaper (Linux only; elsewhere the caller ends
the whole process group). Standard library only: it runs with `-I -S` to start in a few milliseconds.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

GRACE_SECONDS = 3.0
POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


def run(parent: int, folder: str, command: list[str]) -> int:
    """Supervise `command` until it ends or `parent` is gone; returns the command's exit code."""
    import subprocess
    import time

    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    child = subprocess.Popen(command, preexec_fn=_die_with_reaper())  # noqa: S603 - the caller's own command
    orphaned = False
    while not stopping and not orphaned:
        try:
            return child.wait(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            orphaned = os.getppid() != parent
    child.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    code = child.wait()
    if orphaned:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
    return code


def _die_with_reaper() -> Callable[[], None] | None:
    """What the child runs between fork and exec; None where the kernel has no such signal."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # loaded before the fork: no allocation of note after it
    reaper = os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != reaper:  # died before the call above
            os._exit(1)

    return arrange


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
