"""How fast the join is, beside the raw reading speed of the same broker in the same run.

    python -m benchmarks.join --events 1000000 [--peers faust,quix,bytewax,pathway] [--json]

Raw reading and joining alternate, each run in a fresh process; the best of each counts. Both clocks
start before the consumer group is joined, and the time the broker takes to let a lone member in
(measured first) is taken off both. The join's clock stops when every table is written and every
offset committed; the joined rows are compared with a plain batch join of the generated events.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from benchmarks import command
from benchmarks.peers.registry import PEERS, chosen
from benchmarks.peers.run import compare
from benchmarks.progress import Progress
from benchmarks.stage import Loaded, Run, Stage, open_stage


def measure(arguments: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Run everything on a fresh broker."""
    peers = chosen(",".join(PEERS) if arguments.peers == "all" else arguments.peers)
    with open_stage(arguments.engine, progress) as stage:
        loaded = stage.load(arguments.events)
        result = against_reading(
            stage,
            loaded,
            runs=arguments.runs,
            processes=arguments.processes,
            plain=not arguments.no_plain,
        )
        results = compare(stage, peers, arguments.peer_events)
    for peer in results.values():
        if peer["events_per_s"]:
            peer["tailrace_is_faster_by"] = round(result["events_per_s"] / peer["events_per_s"], 1)
    return {**result, "peers": results}


def against_reading(
    stage: Stage, loaded: Loaded, *, runs: int, processes: int, plain: bool
) -> dict[str, Any]:
    """Raw reading and the join in `processes`, in turns; with `plain` also the join in one process, with
    and without exactly-once."""
    reads: list[Run] = []
    joins: list[Run] = []
    singles: list[Run] = []
    plains: list[Run] = []
    wrong = 0
    for _ in range(runs):
        reads.append(stage.read(loaded))
        stage.progress.result(f"read    {rate(loaded, reads[-1]):>9,} events/s")
        run, wrong_rows = stage.join(loaded, options={"processes": processes})
        joins.append(run)
        wrong = max(wrong, wrong_rows)
        stage.progress.result(f"join    {rate(loaded, run):>9,} events/s, {wrong_rows} wrong rows")
        if plain:
            singles.append(stage.join(loaded)[0])
            stage.progress.result(f"one     {rate(loaded, singles[-1]):>9,} events/s, in one process")
            plains.append(stage.join(loaded, exactly_once=False)[0])
            stage.progress.result(f"plain   {rate(loaded, plains[-1]):>9,} events/s")
    read, join = fastest(reads), fastest(joins)
    result: dict[str, Any] = {
        "engine": stage.broker.engine,
        "events": loaded.events,
        "mean_value_bytes": round(loaded.size / loaded.events),
        "interactions": join.details["interactions"],
        "wrong_rows": wrong,
        "read_events_per_s": rate(loaded, read),
        "events_per_s": rate(loaded, join),
        "ratio": round(read.seconds / join.seconds, 3),
        "peak_rss_mb": round(max(run.peak_rss_mb for run in joins)),
        "cpu_s": round(join.cpu_s, 1),
        "read_cpu_s": round(read.cpu_s, 1),
        "broker_cpu_s": round(join.broker_cpu_s, 1),
        "read_broker_cpu_s": round(read.broker_cpu_s, 1),
        "processes": processes,
        "join_wait_s": round(stage.join_wait_s, 2),
        "all_read_events_per_s": [rate(loaded, run) for run in reads],
        "all_events_per_s": [rate(loaded, run) for run in joins],
    }
    if plain:
        best, single = fastest(plains), fastest(singles)
        result["one_process_events_per_s"] = rate(loaded, single)
        result["without_exactly_once_events_per_s"] = rate(loaded, best)
        result["exactly_once_cost"] = round(single.seconds / best.seconds - 1, 3)
        result["exactly_once_cpu_cost"] = round(
            min(run.cpu_s for run in singles) / min(run.cpu_s for run in plains) - 1, 3
        )
    return result


def fastest(runs: list[Run]) -> Run:
    """The run that took the least time: disturbance only ever adds."""
    return min(runs, key=lambda run: run.seconds)


def rate(loaded: Loaded, run: Run) -> int:
    """Events per second of a run."""
    return round(loaded.events / run.seconds)


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(__doc__)
    command.add_engine(parser)
    parser.add_argument("--events", type=int, default=1_000_000, help="events to produce (default 1,000,000)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each; the best counts (default 3)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="join processes (default: one per core)"
    )
    parser.add_argument(
        "--no-plain", action="store_true", help="skip the runs in one process with and without exactly-once"
    )
    parser.add_argument("--peers", default="", help=f"any of {','.join(PEERS)}, or all")
    parser.add_argument(
        "--peer-events", type=int, help="events each peer reads (default: what it finishes within a minute)"
    )
    arguments = parser.parse_args()
    command.main(lambda progress: measure(arguments, progress), as_json=arguments.json)


if __name__ == "__main__":
    main()
