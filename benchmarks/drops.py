"""A drop of many examples, from the build to the erasure of one of its people: seconds and peak memory.

    python -m benchmarks.drops [--rows 100000,1000000] [--build-up-to 1000000] [--json]

Each size gets a home of its own with so many requests that about that many examples come of them (not
measured). Every step runs in a fresh process: the nightly build through all gates and the `rules` judge;
publishing a drop of as many rows that are ready in memory (all files, checked; then tables and registry);
verifying it; comparing it with the day before; an auditor's questions after one user in a hundred took
consent back; erasing one person of thirty requests, with the successor drop.

Ceilings in the same run: pyarrow writing the same tables once, `sha256sum`, polars reading the columns of an
audit, reading every Parquet file once. The peer is `datasets` writing the same rows. Peak memory counts what
the process holds before the step too (interpreter, libraries, its input). Growth is per tenfold rows: linear
is 10. A million examples take a quarter of an hour to be built on two quiet cores: sizes above
`--build-up-to` get a drop of the lake's own requests instead, and no row for the build.
"""

from __future__ import annotations

import math
import tempfile
from typing import Any, Final

from benchmarks import command, processes
from benchmarks.memory import numbers
from benchmarks.progress import Progress

_PROGRAM: Final = "benchmarks.drops_process"
_TIMEOUT_S: Final = 600.0
_SLOWEST_ROWS_PER_S: Final = 150

QUESTIONS: Final = ("consent", "example", "user", "by judge")

Costs = dict[str, dict[str, Any]]


def measure(sizes: list[int], build_up_to: int, progress: Progress) -> dict[str, Any]:
    """Steps with their costs per size and growth, and the ratios of the largest size."""
    return summary([one_size(size, progress, build=size <= build_up_to) for size in sizes])


def summary(sizes: list[Costs]) -> dict[str, Any]:
    """What was measured of each size, side by side."""
    least, most = sizes[0], sizes[-1]
    rows = [found["drop"]["rows"] for found in sizes]
    tenfolds = math.log10(rows[-1] / rows[0]) if len(sizes) > 1 else 0
    built = [found["build"]["steps"] for found in sizes if "build" in found]
    return {
        "rows": rows,
        "built_rows": [found["drop"]["rows"] for found in sizes if "build" in found],
        "drop_mb": [found["verify"]["mb"] for found in sizes],
        "steps": [_row(step, sizes, tenfolds) for step in least if "cpu_s" in least[step]],
        "ratios": ratios(most),
        "build_steps_s": {name: round(s, 1) for name, s in built[-1].items()} if built else {},
        "erase_steps_s": {name: round(s, 1) for name, s in most["erase"]["steps"].items()},
    }


def one_size(size: int, progress: Progress, *, build: bool) -> Costs:
    """Step → what it cost, for a drop of about so many rows; `drop`: its `rows`."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-drops-") as folder:
        run = Steps(f"{folder}/home", size, progress)
        run("make")
        found: Costs = {}
        if build:
            found["build"] = run("build")
            found["drop"] = {"rows": found["build"]["rows"]}
        else:
            found["drop"] = run("fill")
        return found | after_publication(run)


def after_publication(run: Steps) -> Costs:
    """What is done with a drop that is there."""
    found = {step: run(step) for step in ("arrow", "datasets", "verify", "sha256sum", "read back")}
    found |= run("write")
    found["diff"] = run("diff")
    run("revoke")
    found |= {f"audit {question}": run("audit", question=question) for question in QUESTIONS}
    return found | {step: run(step) for step in ("scan", "read all", "erase")}


class Steps:
    """Runs steps on a home, each in a process of its own."""

    def __init__(self, home: str, size: int, progress: Progress) -> None:
        self._task = {"home": home, "rows": size}
        self._timeout_s = _TIMEOUT_S + size / _SLOWEST_ROWS_PER_S
        self._progress = progress

    def __call__(self, step: str, **more: Any) -> dict[str, Any]:
        """Run a step and say what it cost."""
        self._progress.note(f"{step} {more.get('question', '')} ({self._task['rows']:,})")
        answer = processes.run(_PROGRAM, {**self._task, "do": step, **more}, timeout_s=self._timeout_s).answer
        for part in (answer, *(value for value in answer.values() if isinstance(value, dict))):
            if "cpu_s" in part:
                self._progress.result(f"  {part['cpu_s']:,} s of CPU time, {part['peak_mb']:,.0f} MiB")
        return answer


def _row(step: str, sizes: list[dict[str, Any]], tenfolds: float) -> dict[str, Any]:
    """A step: its costs per size, and how they grow per tenfold rows."""
    row: dict[str, Any] = {"step": step}
    for what in ("seconds", "cpu_s", "peak_mb"):
        row[what] = [found.get(step, {}).get(what) for found in sizes]
    for what in ("cpu_s", "peak_mb") if tenfolds else ():
        first, last = row[what][0], row[what][-1]
        row[f"{what}_growth"] = round((last / first) ** (1 / tenfolds), 1) if first and last else None
    return row


def ratios(found: Costs) -> dict[str, float]:
    """CPU time against ceilings and peers."""
    pairs = {
        "stage_to_pyarrow": ("stage", "arrow"),
        "stage_to_datasets": ("stage", "datasets"),
        "verify_to_sha256sum": ("verify", "sha256sum"),
        "erase_to_reading": ("erase", "read all"),
        **{f"audit_{q.replace(' ', '_')}_to_scan": (f"audit {q}", "scan") for q in QUESTIONS},
    }
    return {
        name: round(found[a]["cpu_s"] / max(found[b]["cpu_s"], 0.01), 2) for name, (a, b) in pairs.items()
    }


def main() -> None:
    """Parse arguments, measure, print."""
    parser = command.parser(__doc__)
    parser.add_argument(
        "--rows", type=numbers, default=[100_000, 1_000_000], help="examples, comma-separated"
    )
    parser.add_argument("--build-up-to", type=int, default=1_000_000, help="examples (default a million)")
    arguments = parser.parse_args()
    command.main(
        lambda progress: measure(arguments.rows, arguments.build_up_to, progress), as_json=arguments.json
    )


if __name__ == "__main__":
    main()
