"""What the benchmarks of the lake and of curation found, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import markdown, number

Result = Mapping[str, Any]


def layout(result: Result) -> str:
    """A day of small checkpoints without and with maintenance."""
    head = (
        "",
        "files of the day, all tables",
        "reading the day, s",
        "CPU s",
        "first checkpoints, ms",
        "last, ms",
    )
    rows = []
    for name, title in (("off", "without maintenance"), ("on", "with")):
        lake = result[f"maintenance_{name}"]
        files = sum(day["files"] for day in lake["layout"])
        times = [lake[key] for key in ("read_day_s", "read_day_cpu_s", "store_ms_first", "store_ms_last")]
        rows.append([title, number(files), *(f"{value:.2f}" for value in times)])
    after = result["after_the_horizon"]
    return (
        f"{markdown(head, rows)}\n\n{number(result['requests'])} requests in {number(result['checkpoints'])} "
        f"checkpoints. Merging the day that was over took {after['merge_total_s']} s, beside the stream."
    )


def curation(result: Result) -> str:
    """From lake to gated candidates, by size."""
    head = (
        "interactions",
        "gated",
        "seconds",
        "CPU s",
        "CPU µs per row",
        "MB of text/s",
        "reading alone, s",
        "peak MiB",
    )
    columns = (
        *("interactions", "gated", "seconds", "cpu_s", "cpu_us_per_row"),
        *("mb_per_s", "read_s", "peak_rss_mb"),
    )
    table = markdown(head, [[number(row[name]) for name in columns] for row in result["curation"]])
    steps = ", ".join(f"{name} {number(seconds)}" for name, seconds in result["steps_s"].items())
    return (
        f"{table}\n\nThe largest against the smallest, CPU per row: {result['largest_to_smallest']} ×. "
        f"Seconds by step, largest run: {steps}. Engine: {result['engine']}."
    )


def contamination(result: Result) -> str:
    """Recall by kind and layer, precision, speed."""
    layers = list(next(iter(result["recall_by_layer"].values())))
    head = ("leaked", "rows", "recall", "right item named", *layers)
    rows = [
        [
            kind,
            number(result["leak_rows"][kind]),
            f"**{recall:.3f}**",
            f"{result['right_item'].get(kind, 0):.3f}",
            *(f"{result['recall_by_layer'][kind][layer]:.3f}" for layer in layers),
        ]
        for kind, recall in result["recall"].items()
    ]
    text = (
        f"{markdown(head, rows)}\n\n**Precision {result['precision']:.3f}** over all flagged: "
        f"{result['false_alarms']} of {number(result['clean_rows'])} clean rows were flagged. "
        f"n-gram layers {result['ngram_mb_per_s']:.1f} MB per CPU second, all layers "
        f"{result['all_layers_mb_per_s']:.2f}."
    )
    if result.get("throughput_ratio"):
        text += (
            f" datatrove's `NGramsDecontFilter` on the same texts: {result['datatrove_mb_per_s']:.2f}, so "
            f"**{result['throughput_ratio']:.0f} ×**."
        )
    if siblings := result.get("siblings"):
        text += (
            f" Unregistered items of the same benchmarks, near in topic but no leak: "
            f"{siblings['flagged']} of {number(siblings['rows'])} flagged."
        )
    return text


def redaction(result: Result) -> str:
    """Precision and recall by kind, beside the peers."""
    peers = {"presidio-analyzer": "Presidio", "detect-secrets": "detect-secrets"}
    theirs = {
        package: {row["kind"]: row for row in result[package]}
        for package in peers
        if isinstance(result.get(package), list)
    }
    head = ("kind", "values", "precision", "recall", *(f"{peers[p]}, precision / recall" for p in theirs))
    rows = []
    for row in result["tailrace"]:
        cells = [row["kind"], number(row["values"]), f"{row['precision']:.3f}", f"{row['recall']:.3f}"]
        for package in theirs:
            other = theirs[package].get(row["kind"]) if row["kind"] != "all" else None
            cells.append(f"{other['precision']:.3f} / {other['recall']:.3f}" if other else "–")
        rows.append(cells)
    speeds = ", ".join(f"{peers[p]} {result[f'{p}_mb_per_s']} MB/s" for p in theirs)
    return (
        f"{markdown(head, rows)}\n\n{number(result['texts'])} texts. CPU speed on them: "
        f"{result['tailrace_mb_per_s']} MB/s{', ' + speeds if speeds else ''}; rows as the "
        f"nightly build reads them: {result['rows_mb_per_s']} MB/s."
    )
