"""How a process ends: with its code and its last words, also while a thread is inside deltalake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from contracts.settings import LakeSettings
from sinks.lake import Lake
from sinks.maintenance import Maintenance
from tests.sinks.crumbs import NOW_US, content, fill

CHECKOUT = Path(__file__).parents[2]

MERGES = """
import logging, sys, time
from contracts.settings import LakeSettings
from sinks import maintenance
from sinks.lake import Lake
from sinks.maintenance_compaction import merge
from streams.process import leave

def endless(*arguments):
    while True:
        merge(*arguments)

maintenance.merge = endless
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
work = maintenance.Maintenance(Lake(sys.argv[1]), LakeSettings())
thread = maintenance.MaintenanceThread(work)
thread.tick(int(sys.argv[2]), leader=True)
time.sleep(float(sys.argv[3]))
assert not thread.close(0.0)
leave(int(sys.argv[4]))
"""

ENDS = """
import atexit, sys, threading, time
from streams.process import leave

atexit.register(print, "handler")
if sys.argv[1] == "daemon":
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
threading.Thread(target=lambda: (time.sleep(0.2), print("finished"))).start()
leave({"none": None, "seven": 7, "words": "gone wrong"}[sys.argv[2]])
"""


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_leaving_during_a_merge_is_no_crash_and_harms_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.create()
    # An ordinary exit crashes in most of these.
    for attempt in range(4):
        fill(lake, 8, first=8 * attempt)
        before = content(lake)
        ended = run(MERGES, lake.root, NOW_US, 0.1 + attempt * 0.05, attempt)
        assert ended.returncode == attempt, ended.stderr
        assert "cut off" in ended.stdout
        assert content(lake) == before
    fill(lake, 8, first=32)
    (merged,) = Maintenance(lake, LakeSettings()).run(NOW_US, 600.0).merged
    assert merged.files_after == 1
    assert len(content(lake)) == len(set(content(lake))) == 40


@pytest.mark.parametrize(("code", "number"), [("none", 0), ("seven", 7), ("words", 1)])
def test_other_threads_finish_and_everything_is_printed(code: str, number: int) -> None:
    for threads, handler in (("daemon", ""), ("none", "handler\n")):
        ended = run(ENDS, threads, code)
        assert ended.returncode == number
        assert ended.stdout == f"finished\n{handler}"
        assert ended.stderr == ("gone wrong\n" if code == "words" else "")
