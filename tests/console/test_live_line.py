"""`tailrace worker` at a terminal shows what it does, in one line that stays at the bottom."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from console.live import LiveLine
from infra.broker import EmbeddedBroker
from infra.ports import free_port
from streams.join_pipeline import JoinStats
from tests.console.commands import CHECKOUT, tailrace

FAST = {
    "TAILRACE_KAFKA__SESSION_TIMEOUT_MS": "6000",
    "TAILRACE_JOIN__IDLE_SECONDS": "1",
    "TAILRACE_JOIN__CHECKPOINT_SECONDS": "0.5",
}
LINE = re.compile(
    r"([\d,]+) events · [\d,]+/s · lag ([\d,]+) · watermark (\S+ ?\S*) · open ([\d,]+) · joined"
)


def read_until(terminal: int, wanted: re.Pattern[str], seconds: float) -> str:
    """What the terminal shows until a pattern appears."""
    shown, end = "", time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                shown += os.read(terminal, 65_536).decode(errors="replace")
            except OSError:
                break
        if wanted.search(shown):
            return shown
    raise AssertionError(f"not seen in {seconds} s: {wanted.pattern}\n{shown[-3000:]}")


def test_the_worker_shows_a_live_line(broker: EmbeddedBroker, tmp_path: Path) -> None:
    environment = {
        **FAST,
        "TAILRACE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "TAILRACE_KAFKA__GROUP_ID": f"live-{tmp_path.name}",
        "TAILRACE_WEB__PORT": str(free_port()),
    }
    assert tailrace("topics", "apply", cwd=tmp_path, **environment).returncode == 0
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TAILRACE_")}
    ours, theirs = pty.openpty()
    worker = subprocess.Popen(
        [sys.executable, "-m", "console", "worker"],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": str(CHECKOUT), "COLUMNS": "200", "TERM": "xterm", **environment},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = read_until(ours, LINE, 60)
        assert "Traceback" not in shown
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()
        os.close(ours)


def test_the_line_says_what_is_wrong() -> None:
    stats = JoinStats(consumed=1_234, lag=5, open_requests=7, interactions=3, dead_letters=2)
    line = LiveLine(lambda: stats)
    shown = str(line._line())
    assert LINE.search(shown)
    assert "1,234 events" in shown
    assert "dead letters 2" in shown
    stats.problem = "table signals could not be written"
    assert str(line._line()).endswith("· table signals could not be written")
