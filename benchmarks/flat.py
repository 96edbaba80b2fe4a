"""Whether an event costs the same however many came before it.

    python -m benchmarks.flat [--sizes 100000,1000000] [--ten-million] [--json]

The real worker, end to end, once for each size; and for the largest run the CPU time per event of each
tenth of it (the last one also closes every window that is still open). CPU time, because it depends less on
what else the machine does. Ten million events need about 12 GB of memory for the embedded broker.
"""

from __future__ import annotations

import itertools
from typing import Any

from benchmarks import command
from benchmarks.memory import numbers
from benchmarks.progress import Progress
from benchmarks.stage import open_stage

TEN_MILLION = 10_000_000
TENTHS = 10


def measure(engine: str, sizes: list[int], progress: Progress) -> dict[str, Any]:
    """One row per size, and the tenths of the largest."""
    rows: list[dict[str, Any]] = []
    tenths: list[float] = []
    with open_stage(engine, progress) as stage:
        for size in sorted(sizes):
            loaded = stage.load(size)
            run, wrong = stage.join(loaded)
            rows.append(
                {
                    "events": loaded.events,
                    "events_per_s": round(loaded.events / run.seconds),
                    "cpu_us_per_event": round(work_s(run.details["course"]) / loaded.events * 1e6, 1),
                    "peak_rss_mb": round(run.peak_rss_mb),
                    "wrong_rows": wrong,
                }
            )
            tenths = [round(us, 1) for us in per_part(run.details["course"], loaded.events, TENTHS)]
            progress.result(f"{loaded.events:,} events: {rows[-1]['cpu_us_per_event']} µs of CPU each")
            stage.forget(loaded)
    return {
        "flat": rows,
        "largest_against_smallest": round(rows[-1]["cpu_us_per_event"] / rows[0]["cpu_us_per_event"], 2),
        "cpu_us_per_event_by_tenth": tenths,
    }


def work_s(course: list[tuple[int, float]]) -> float:
    """CPU seconds from the first event on: what starting cost is left out."""
    before = max((cpu for consumed, cpu in course if consumed == 0), default=course[0][1])
    return course[-1][1] - before


def per_part(course: list[tuple[int, float]], events: int, parts: int) -> list[float]:
    """CPU microseconds per event in each of `parts` equal parts of a run.

    `course`: (events consumed, CPU seconds so far), in order; between two points the cost is taken as even.
    """
    first = max((i for i, (consumed, _) in enumerate(course) if consumed == 0), default=0)
    course = course[first:]
    marks = [_cpu_at(course, events * part / parts) for part in range(parts)] + [course[-1][1]]
    return [(after - before) / (events / parts) * 1e6 for before, after in itertools.pairwise(marks)]


def _cpu_at(course: list[tuple[int, float]], consumed: float) -> float:
    for (n0, cpu0), (n1, cpu1) in itertools.pairwise(course):
        if n1 > n0 and n0 <= consumed <= n1:
            return cpu0 + (cpu1 - cpu0) * (consumed - n0) / (n1 - n0)
    return course[-1][1]


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(__doc__)
    command.add_engine(parser)
    parser.add_argument("--sizes", type=numbers, default=[100_000, 1_000_000], help="comma-separated")
    parser.add_argument("--ten-million", action="store_true", help="10,000,000 events as well")
    arguments = parser.parse_args()
    sizes = [*arguments.sizes, *([TEN_MILLION] if arguments.ten_million else [])]
    command.main(lambda progress: measure(arguments.engine, sizes, progress), as_json=arguments.json)


if __name__ == "__main__":
    main()
