"""SIGKILL in the middle of maintenance leaves a table that reads whole and takes appends."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from sinks.lake import Lake
from sinks.maintenance import Maintenance
from sinks.maintenance_layout import day_files
from sinks.transactions import append_messages
from tests.sinks.crumbs import NOW_US, content, fill, options, signals

CHECKOUT = Path(__file__).parents[2]

CHILD = """
import sys
from contracts.settings import LakeSettings
from sinks.lake import Lake
from sinks.maintenance_compaction import merge
from sinks.maintenance_history import housekeep
from sinks.maintenance_layout import Step, day_files

lake, options = Lake(sys.argv[1]), LakeSettings()
print("ready", flush=True)
while True:
    for files in day_files("signals", lake.table("signals")):
        merge(lake, Step(files, options.target_file_bytes), options)
        housekeep(lake, "signals", options, now_us=int(sys.argv[2]))
"""


def test_killed_at_random_moments_it_leaves_whole_tables(lake: Lake) -> None:
    dice, expected = random.Random(5), []
    for attempt in range(3):
        fill(lake, 6, first=attempt * 6)
        expected += [f"e0-{n}" for n in range(attempt * 6, attempt * 6 + 6)]
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, lake.root, str(NOW_US)],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(dice.uniform(0.0, 0.15))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert content(lake) == sorted(expected)
    assert append_messages(lake, "signals", "t", signals(3)) == 0
    maintenance = Maintenance(lake, options())
    maintenance.run(NOW_US, 600.0)
    assert [len(found.sizes) for found in day_files("signals", lake.table("signals"))] == [1]
    assert content(lake) == sorted(expected)
