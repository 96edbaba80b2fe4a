"""Erasing one person from a lake with a published drop: seconds by step, processor time, peak memory.

    python -m benchmarks.erasure [--rows 100000,1000000] [--json]

Each size gets a home of its own: so many requests with text and evidence, an example of each, and a drop of
them all (not measured). The person has thirty requests. `read_s` is the ceiling: reading every column of
every Parquet file of the same home once, in another process. An erasure cannot be proven in less.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

from benchmarks import command, processes
from benchmarks.memory import numbers
from benchmarks.progress import Progress

_PROGRAM = "benchmarks.erasure_process"
_TIMEOUT_S = 600.0
_SLOWEST_ROWS_PER_S = 150


def measure(sizes: list[int], progress: Progress) -> dict[str, Any]:
    """One row per size, and how the cost of a row at the largest compares with that at the smallest."""
    rows = []
    steps: dict[str, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="tailrace-bench-erasure-") as folder:
            task = {"home": folder, "rows": size}
            timeout_s = _TIMEOUT_S + size / _SLOWEST_ROWS_PER_S
            progress.note(f"making a home of {size:,} examples")
            processes.run(_PROGRAM, {**task, "do": "make"}, timeout_s=timeout_s)
            progress.note(f"reading {size:,} examples")
            read = processes.run(_PROGRAM, {**task, "do": "read"}, timeout_s=timeout_s)
            progress.note(f"erasing one of {size:,} examples' people")
            erased = processes.run(_PROGRAM, {**task, "do": "erase"}, timeout_s=timeout_s)
        answer = erased.answer
        rows.append(
            {
                "examples": size,
                "mb": round(answer["mb"]),
                "seconds": round(answer["seconds"], 1),
                "cpu_s": round(erased.cpu_s, 1),
                "cpu_us_per_example": round(erased.cpu_s / size * 1e6),
                "read_s": round(read.answer["seconds"], 1),
                "times_reading": round(answer["seconds"] / read.answer["seconds"], 1),
                "peak_rss_mb": round(erased.peak_rss_mb),
                "rows_removed": answer["removed"],
            }
        )
        steps = {name: round(seconds, 1) for name, seconds in answer["steps"].items()}
        progress.result(f"{size:,} examples: {rows[-1]['seconds']:,} s, {rows[-1]['peak_rss_mb']:,} MiB")
    growth = rows[-1]["cpu_us_per_example"] / rows[0]["cpu_us_per_example"]
    return {"erasure": rows, "largest_to_smallest": round(growth, 2), "steps_s": steps}


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(__doc__)
    parser.add_argument(
        "--rows", type=numbers, default=[100_000, 1_000_000], help="examples, comma-separated"
    )
    arguments: argparse.Namespace = parser.parse_args()
    command.main(lambda progress: measure(arguments.rows, progress), as_json=arguments.json)


if __name__ == "__main__":
    main()
