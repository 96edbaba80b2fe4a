"""What open windows cost in memory.

    python -m benchmarks.memory [--requests 100000,300000,1000000] [--json]

Each size runs in a fresh process. RSS is of the whole process, its first batch and the interpreter
included; bytes per open request count only what was added after the first batch was decoded. An open
request comes with 3.4 pieces of evidence.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks import command, processes
from benchmarks.progress import Progress

_TIMEOUT_S = 120.0
_SLOWEST_REQUESTS_PER_S = 1_000


def measure(sizes: list[int], progress: Progress) -> dict[str, Any]:
    """One row per number of open requests."""
    rows = []
    for size in sizes:
        progress.note(f"holding {size:,} open requests")
        measured = processes.run(
            "benchmarks.memory_process",
            {"requests": size},
            timeout_s=_TIMEOUT_S + size / _SLOWEST_REQUESTS_PER_S,
        )
        answer = measured.answer
        added = (answer["rss_mb"] - answer["before_mb"]) * (1 << 20)
        rows.append(
            {
                "open_requests": answer["open_requests"],
                "held_rows": answer["held_rows"],
                "rss_mb": round(answer["rss_mb"]),
                "peak_rss_mb": round(measured.peak_rss_mb),
                "bytes_per_open_request": round(added / size),
                "cpu_us_per_event": round(answer["cpu_us_per_event"], 1),
            }
        )
        progress.result(f"{size:,} open requests: {rows[-1]['rss_mb']:,} MiB")
    return {"memory": rows}


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(__doc__)
    parser.add_argument(
        "--requests", type=numbers, default=[100_000, 300_000, 1_000_000], help="sizes, comma-separated"
    )
    arguments = parser.parse_args()
    command.main(lambda progress: measure(arguments.requests, progress), as_json=arguments.json)


def numbers(text: str) -> list[int]:
    """Positive whole numbers, comma-separated."""
    found = [int(part.replace("_", "")) for part in text.split(",")]
    if min(found) <= 0:
        raise argparse.ArgumentTypeError("sizes are positive")
    return found


if __name__ == "__main__":
    main()
