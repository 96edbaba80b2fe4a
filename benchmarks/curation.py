"""The nightly build before the judge: from a lake of interactions to gated candidates, in one process.

    python -m benchmarks.curation [--rows 100000,300000,1000000] [--engine local|ray] [--json]

Each size gets a lake of its own (about 1.5 KB of text a request; not measured) and a fresh process, in which
every interaction goes through every step: eligibility, redaction, embeddings, near-duplicates, contamination,
selection. `read_s` is the ceiling: polars reading the same texts once and doing nothing. Memory is the
peak of the whole process.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

from benchmarks import command, processes
from benchmarks.memory import numbers
from benchmarks.progress import Progress

_TIMEOUT_S = 300.0
_SLOWEST_ROWS_PER_S = 200


def measure(sizes: list[int], engine: str, progress: Progress) -> dict[str, Any]:
    """One row per size, and how the cost of a row at the largest compares with that at the smallest."""
    rows = []
    steps: dict[str, dict[str, float]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="tailrace-bench-lake-") as folder:
            task = {"home": folder, "rows": size, "engine": engine, "seed": 5}
            timeout_s = _TIMEOUT_S + size / _SLOWEST_ROWS_PER_S
            progress.note(f"making a lake of {size:,} interactions")
            processes.run("benchmarks.curation_process", {**task, "do": "make"}, timeout_s=timeout_s)
            progress.note(f"reading the texts of {size:,} interactions")
            read = processes.run("benchmarks.curation_process", {**task, "do": "read"}, timeout_s=timeout_s)
            progress.note(f"gating {size:,} interactions")
            gated = processes.run("benchmarks.curation_process", {**task, "do": "gate"}, timeout_s=timeout_s)
        answer = gated.answer
        rows.append(
            {
                "interactions": size,
                "gated": answer["gated"],
                "seconds": round(answer["seconds"], 1),
                "cpu_s": round(gated.cpu_s, 1),
                "cpu_us_per_row": round(gated.cpu_s / size * 1e6),
                "mb_per_s": round(answer["text_mb"] / answer["seconds"], 1),
                "read_s": round(read.answer["seconds"], 1),
                "peak_rss_mb": round(gated.peak_rss_mb),
            }
        )
        steps[str(size)] = {name: round(seconds, 1) for name, seconds in answer["steps"].items()}
        progress.result(f"{size:,} interactions: {rows[-1]['seconds']:,} s, {rows[-1]['peak_rss_mb']:,} MiB")
    return {
        "engine": engine,
        "curation": rows,
        "largest_to_smallest": round(rows[-1]["cpu_us_per_row"] / rows[0]["cpu_us_per_row"], 2),
        "steps_s": steps[str(sizes[-1])],
    }


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(__doc__)
    parser.add_argument(
        "--rows", type=numbers, default=[100_000, 300_000, 1_000_000], help="sizes, comma-separated"
    )
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    arguments: argparse.Namespace = parser.parse_args()
    command.main(lambda progress: measure(arguments.rows, arguments.engine, progress), as_json=arguments.json)


if __name__ == "__main__":
    main()
