"""Processes that ask the test server and are killed in the middle."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.curation.judge.server import FakeServer

CHECKOUT = Path(__file__).parents[3]


def kill_after(answers: int, server: FakeServer, module: str, *arguments: str) -> None:
    """Run a module until the server has given so many paid answers, then SIGKILL it."""
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=CHECKOUT)
    try:
        deadline = time.monotonic() + 60
        while server.billed < answers:
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        process.kill()
        process.wait()
