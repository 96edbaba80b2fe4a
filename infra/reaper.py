"""Run one command and end it when the process that asked for it is gone, however it went.

`python reaper.py PARENT_PID FOLDER GRACE_SECONDS COMMAND…` starts COMMAND and waits. It ends the command

- on SIGTERM or SIGINT: SIGTERM first, SIGKILL after the grace;
- on SIGUSR1: SIGKILL at once, and it returns only when the command is gone;
- when its parent process is no longer PARENT_PID (crash, SIGKILL, out of memory): as on SIGTERM, with
  `ORPHAN_SECONDS` of grace at most, and FOLDER, which nobody is left to read, is deleted.

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

ORPHAN_SECONDS = 3.0
POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


def run(parent: int, folder: str, grace: float, command: list[str]) -> int:
    """Supervise `command` until it ends or `parent` is gone; returns the command's exit code.

    `grace` is how long the command may take to end after SIGTERM, seconds.
    """
    import subprocess
    import time

    asked: set[int] = set()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda arrived, _frame: asked.add(arrived))
    child = subprocess.Popen(command, preexec_fn=_die_with_reaper())  # noqa: S603 - the caller's own command
    # From here on the kill is carried out by the handler itself: a poll later would be no sudden death.
    signal.signal(signal.SIGUSR1, _kills(child.kill, asked))
    orphaned = False
    while not asked and not orphaned:
        try:
            return child.wait(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            orphaned = os.getppid() != parent
    if signal.SIGUSR1 not in asked:
        child.terminate()
        deadline = time.monotonic() + (min(grace, ORPHAN_SECONDS) if orphaned else grace)
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
            if os.getppid() != parent and not orphaned:
                orphaned, deadline = True, min(deadline, time.monotonic() + ORPHAN_SECONDS)
    child.kill()
    code = child.wait()
    if orphaned:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
    return code


def _kills(kill: Callable[[], None], asked: set[int]) -> Callable[[int, FrameType | None], None]:
    def handler(number: int, _frame: FrameType | None) -> None:
        asked.add(number)
        kill()

    return handler


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
    sys.exit(run(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4:]))
