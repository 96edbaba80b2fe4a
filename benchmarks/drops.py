"""A drop of many examples, from the build to the erasure of one of its people: seconds and peak memory.

    python -m benchmarks.drops [--rows 100000,1000000] [--json]

Each size gets a home of its own with so many requests that about that many examples come of them (not
measured). Every step runs in a fresh process: the nightly build through all gates and the `rules` judge;
publishing a drop of as many rows that are ready in memory (all files, checked; then tables and registry);
verifying it; comparing it with the day before; an auditor's questions after one user in a hundred took
consent back; erasing one person of thirty requests, with the successor drop.

Ceilings in the same run: pyarrow writing the same tables once, `sha256sum`, polars reading the columns of an
audit, reading every Parquet file once. The peer is `datasets` writing the same rows. Peak memory counts what
the process holds before the step too (interpreter, libraries, its input). Growth is per tenfold rows: linear
is 10.
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


def measure(sizes: list[int], progress: Progress) -> dict[str, Any]:
    """Steps with their costs per size and growth, and the ratios of the largest size."""
    measured = {size: one_size(size, progress) for size in sizes}
    least, most = measured[sizes[0]], measured[sizes[-1]]
    tenfolds = math.log10(most["build"]["rows"] / least["build"]["rows"]) if len(sizes) > 1 else 0
    return {
        "rows": [found["build"]["rows"] for found in measured.values()],
        "drop_mb": [found["build"]["mb"] for found in measured.values()],
        "steps": [_row(step, list(measured.values()), tenfolds) for step in most],
        "ratios": ratios(most),
        "build_steps_s": {name: round(s, 1) for name, s in most["build"]["steps"].items()},
        "erase_steps_s": {name: round(s, 1) for name, s in most["erase"]["steps"].items()},
    }


def one_size(size: int, progress: Progress) -> Costs:
    """Step → what it cost, for a drop of about so many rows."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-drops-") as folder:

        def run(step: str, **more: Any) -> dict[str, Any]:
            progress.note(f"{step} {more.get('question', '')} ({size:,})")
            task = {"home": f"{folder}/home", "rows": size, "do": step, **more}
            timeout_s = _TIMEOUT_S + size / _SLOWEST_ROWS_PER_S
            answer = processes.run(_PROGRAM, task, timeout_s=timeout_s).answer
            for part in (answer, *(value for value in answer.values() if isinstance(value, dict))):
                if "cpu_s" in part:
                    progress.result(f"  {part['cpu_s']:,} s of CPU time, {part['peak_mb']:,.0f} MiB")
            return answer

        run("make")
        found: Costs = {step: run(step) for step in ("build", "arrow", "datasets", "verify", "sha256sum")}
        found["read back"] = run("read back")
        found |= run("write")
        found["diff"] = run("diff")
        run("revoke")
        found |= {f"audit {question}": run("audit", question=question) for question in QUESTIONS}
        found |= {step: run(step) for step in ("scan", "read all", "erase")}
        cost = found["build"]
        progress.result(f"{cost['rows']:,} examples built in {cost['seconds']:,} s, {cost['peak_mb']:,} MiB")
        return found


def _row(step: str, sizes: list[dict[str, Any]], tenfolds: float) -> dict[str, Any]:
    """A step: its costs per size, and how they grow per tenfold rows."""
    row: dict[str, Any] = {"step": step}
    for what in ("seconds", "cpu_s", "peak_mb"):
        row[what] = [found[step][what] for found in sizes]
    for what in ("cpu_s", "peak_mb") if tenfolds else ():
        first, last = row[what][0], row[what][-1]
        row[f"{what}_growth"] = round((last / first) ** (1 / tenfolds), 1) if first else None
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
    arguments = parser.parse_args()
    command.main(lambda progress: measure(arguments.rows, progress), as_json=arguments.json)


if __name__ == "__main__":
    main()
