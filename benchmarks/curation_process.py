"""One measured run of the nightly build's steps before the judge, in a process of its own.

Reads {"lake": …, "scratch": …, "engine": …} from its first argument; prints one JSON object.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from contracts.errors import TerminalError
from contracts.settings import CurationSettings, NightlySettings
from curation.build import Sources, Workplace, gate_candidates
from curation.candidates import latest_event, pin_inputs
from curation.engine import make_engine
from sinks.lake import Lake


def main() -> None:
    """Measure and print."""
    task = json.loads(sys.argv[1])
    lake = Lake(task["lake"])
    started, cpu = time.perf_counter(), time.process_time()
    versions = pin_inputs(lake)
    as_of = latest_event(lake, versions)
    if as_of is None:
        raise TerminalError("the lake holds no interactions")
    # Every interaction goes through every step: the most work a build of this lake can be.
    settings = CurationSettings(failure_threshold=0.0)
    place = Workplace(
        Path(task["scratch"]), make_engine(NightlySettings(engine=task["engine"])), time.perf_counter
    )
    gated = gate_candidates(Sources(lake, versions, as_of), settings, place)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "cpu_s": time.process_time() - cpu,
                "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "gated": gated.rows.height,
                "steps": gated.funnel.seconds,
                "funnel": gated.funnel.stats,
            }
        )
    )


if __name__ == "__main__":
    main()
