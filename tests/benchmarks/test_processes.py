"""Measured processes: what they cost is counted, what goes wrong is said, nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import processes
from contracts.errors import TerminalError
from tests.infra.waiting import wait_until

PROGRAM = '''
import json, subprocess, sys, time
from pathlib import Path
task = json.loads(Path(sys.argv[1]).read_text())
if task["do"] == "fail":
    sys.exit("it went wrong on purpose")
if task["do"] == "hang":
    child = subprocess.Popen(["sleep", "600"])
    Path(task["started"]).write_text(str(child.pid))
    time.sleep(600)
child = subprocess.run([sys.executable, "-c", """
import time
held = bytearray(200 << 20)
until = time.process_time() + 0.5
while time.process_time() < until: pass
"""])
Path(sys.argv[2]).write_text(json.dumps({"said": task["do"]}))
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "measured_program.py").write_text(PROGRAM)
    monkeypatch.setattr(processes, "ROOT", tmp_path)
    return "measured_program"


def test_children_count(module: str) -> None:
    measured = processes.run(module, {"do": "work"}, timeout_s=60)
    assert measured.answer == {"said": "work"}
    assert measured.cpu_s >= 0.5
    assert measured.peak_rss_mb >= 200


def test_a_failure_says_why(module: str) -> None:
    with pytest.raises(TerminalError, match=r"exit code 1.*\n.*on purpose"):
        processes.run(module, {"do": "fail"}, timeout_s=60)


def test_a_program_that_hangs_is_ended_with_its_children(module: str, tmp_path: Path) -> None:
    started = tmp_path / "started"
    with pytest.raises(TerminalError, match="took longer than 3 s"):
        processes.run(module, {"do": "hang", "started": str(started)}, timeout_s=3)
    # Gone, or dead and waiting for whoever reaps orphans here.
    stat = Path(f"/proc/{started.read_text()}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_idle_meter_counts_only_idle_time(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import time\nprint(flush=True)\ntime.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout is not None
            worker.stdout.read(1)
            with processes.IdleMeter([worker.pid], lambda: True) as asleep:
                assert wait_until(lambda: asleep.idle_s > 0.5)
            with processes.IdleMeter([worker.pid], lambda: False) as never:
                time.sleep(0.3)
        finally:
            worker.kill()
    # A process that is given a whole core, which no test can ask of a machine.
    monkeypatch.setattr(processes, "cpu_seconds", lambda pid: time.perf_counter())
    with processes.IdleMeter([worker.pid], lambda: True) as busy:
        time.sleep(0.5)
    assert busy.idle_s == never.idle_s == 0


def test_cpu_time_of_a_running_process_and_its_children() -> None:
    work = "import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until: pass\n"
    code = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {work!r}])\n{work}"
    with subprocess.Popen([sys.executable, "-c", f"{code}time.sleep(600)"]) as worker:
        try:
            assert wait_until(lambda: processes.cpu_seconds(worker.pid) >= 0.6, 60)
        finally:
            worker.kill()
