"""The README's tables about drops: what they cost from the build to the erasure of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.markdown import markdown, number

Result = Mapping[str, Any]

STEPS: Final = {
    "build": "**nightly build**, settle to registry, all gates, `rules` judge",
    "stage": "**all files** of rows in memory, checked",
    "arrow": "ceiling: pyarrow writing the same tables once",
    "datasets": "peer: `datasets` writing the same rows, Parquet and JSON lines",
    "publish": "tables, folder and registry of a staged drop",
    "read back": "reading a drop back into rows",
    "verify": "**verify**: every byte",
    "sha256sum": "ceiling: `sha256sum --check`",
    "diff": "**diff** against the day before",
    "audit consent": "`audit consent --revoked`",
    "audit example": "`audit example`",
    "audit user": "`audit user`",
    "audit by judge": "`audit drop --by judge`",
    "scan": "floor: polars reading the columns of an audit",
    "erase": "**erase** one person, successor drop, proof",
    "read all": "floor: every Parquet file read once",
}
"""Step → what the README calls it, in the README's order."""


def drops(result: Result) -> str:
    """Steps with CPU time, time and memory per size, and growth per tenfold rows."""
    sizes = [f"{number(rows)} rows" for rows in result["rows"]]
    units = ("CPU s", "s", "peak MiB")
    head = ["", *(f"{size}: {unit}" for size in sizes for unit in units), "CPU, × ten rows", "memory"]
    by_name = {row["step"]: row for row in result["steps"]}
    rows = []
    for step, words in STEPS.items():
        row = by_name[step]
        costs = zip(row["cpu_s"], row["seconds"], row["peak_mb"], strict=True)
        cells = [number(round(float(v), 2)) if v is not None else "–" for cost in costs for v in cost]
        growth = [row.get("cpu_s_growth"), row.get("peak_mb_growth")]
        rows.append([words, *cells, *(number(value) if value else "–" for value in growth)])
    ratios = result["ratios"]
    steps = ", ".join(f"{name} {number(s)}" for name, s in result["build_steps_s"].items() if s >= 1)
    erased = ", ".join(f"{name} {number(s)}" for name, s in result["erase_steps_s"].items() if s >= 1)
    missing = [number(n) for n in result["rows"] if n not in result["built_rows"]]
    not_built = f" The drop of {' and '.join(missing)} rows was not built, but made of the lake's requests."
    not_built = not_built if missing else ""
    return (
        f"{markdown(head, rows)}\n\nThe drop's files: {' and '.join(map(number, result['drop_mb']))} MiB. "
        f"Of CPU time, largest size: all files **{ratios['stage_to_pyarrow']} ×** pyarrow's and "
        f"**{ratios['stage_to_datasets']} ×** those of `datasets`; verify {ratios['verify_to_sha256sum']} × "
        f"`sha256sum`; erase {ratios['erase_to_reading']} × reading all once. Seconds of the build by step: "
        f"{steps}; of the erasure: {erased}.{not_built}"
    )


def erasure(result: Result) -> str:
    """An erasure by number of examples."""
    head = ["examples", "MB", "seconds", "CPU s", "CPU µs per example", "× reading all", "peak MiB"]
    rows = [
        [
            number(row["examples"]),
            number(row["mb"]),
            number(row["seconds"]),
            number(row["cpu_s"]),
            number(row["cpu_us_per_example"]),
            number(row["times_reading"]),
            number(row["peak_rss_mb"]),
        ]
        for row in result["erasure"]
    ]
    steps = ", ".join(f"{name} {number(s)}" for name, s in result["steps_s"].items() if s >= 0.1)
    return (
        f"{markdown(head, rows)}\n\nThe largest against the smallest, CPU per example: "
        f"{result['largest_to_smallest']} ×. Seconds by step, largest size: {steps}."
    )
