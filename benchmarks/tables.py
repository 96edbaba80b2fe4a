"""Results as Markdown, between markers in `benchmarks/README.md`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks import drop_tables, lake_tables
from benchmarks.markdown import markdown, micros, number, span
from contracts.errors import TerminalError

Result = Mapping[str, Any]


def join(result: Result) -> str:
    """Reading and joining, then what exactly-once costs."""
    events = result["events"]
    lines = markdown(
        ("", "events/s", "CPU µs per event", "broker's CPU µs per event"),
        [
            (
                "raw read, confluent-kafka",
                number(result["read_events_per_s"]),
                micros(result["read_cpu_s"], events),
                micros(result["read_broker_cpu_s"], events),
            ),
            (
                f"**Tailrace**, everything stored exactly once, {result['processes']} processes",
                f"**{number(result['events_per_s'])}**",
                micros(result["cpu_s"], events),
                micros(result["broker_cpu_s"], events),
            ),
            *(
                [
                    ("the same in one process", number(result["one_process_events_per_s"]), "", ""),
                    ("one process without exactly-once", number(plain), "", ""),
                ]
                if (plain := result.get("without_exactly_once_events_per_s"))
                else []
            ),
        ],
    )
    cost = ""
    if plain:
        cost = (
            f" Exactly-once costs {result['exactly_once_cost']:.1%} of the time "
            f"({result['exactly_once_cpu_cost']:.1%} of the CPU time)."
        )
    return (
        f"{lines}\n\n{number(events)} events of {number(result['mean_value_bytes'])} bytes on average, "
        f"{number(result['interactions'])} joined rows, **{number(result['wrong_rows'])} wrong**; "
        f"broker: {result['engine']}. **Ratio {result['ratio']}** of the raw read. "
        f"Peak memory {number(result['peak_rss_mb'])} MiB.{cost} All runs: read "
        f"{span(result['all_read_events_per_s'])}, join {span(result['all_events_per_s'])} events/s."
    )


def peers(result: Result) -> str:
    """The other frameworks on the same broker in the same run."""
    rows = [
        (
            "**Tailrace**",
            number(result["events"]),
            f"**{number(result['events_per_s'])}**",
            micros(result["cpu_s"], result["events"]),
            number(result["peak_rss_mb"]),
            f"{number(result['wrong_rows'])} of {number(result['interactions'])}",
            "",
        )
    ]
    reasons = []
    for name, peer in result["peers"].items():
        title = f"{peer['title']} {peer.get('version', '')}".strip()
        if peer["events_per_s"] is None:
            reasons.append(f"- {title} did not run: {peer['reason'].splitlines()[0]}")
            continue
        rows.append(
            (
                f"{title} (`{name}`)",
                number(peer["events"]),
                number(peer["events_per_s"]),
                micros(peer["cpu_s"], peer["events"]),
                number(peer["peak_rss_mb"]),
                f"{number(peer['wrong_rows'])} of {number(peer['rows'])}",
                f"{peer['tailrace_is_faster_by']} ×",
            )
        )
    head = ("", "events", "events/s", "CPU µs per event", "peak MiB", "wrong rows", "Tailrace is faster by")
    return "\n\n".join([markdown(head, rows), *reasons])


def memory(result: Result) -> str:
    """Open requests and what they take."""
    head = (
        "open requests",
        "rows held",
        "RSS, MiB",
        "peak, MiB",
        "bytes per open request",
        "CPU µs per event",
    )
    columns = (
        *("open_requests", "held_rows", "rss_mb", "peak_rss_mb"),
        *("bytes_per_open_request", "cpu_us_per_event"),
    )
    return markdown(head, [[number(row[name]) for name in columns] for row in result["memory"]])


def flat(result: Result) -> str:
    """Cost per event by size of the run, and along the largest."""
    head = ("events", "events/s", "CPU µs per event", "peak MiB", "wrong rows")
    columns = ("events", "events_per_s", "cpu_us_per_event", "peak_rss_mb", "wrong_rows")
    table = markdown(head, [[number(row[name]) for name in columns] for row in result["flat"]])
    tenths = ", ".join(map(number, result["cpu_us_per_event_by_tenth"]))
    return (
        f"{table}\n\nThe largest against the smallest, per event: {result['largest_against_smallest']} ×. "
        f"CPU µs per event in each tenth of the largest run: {tenths}."
    )


def catch_up(result: Result) -> str:
    """What a restart costs."""
    return (
        f"{number(result['events'])} events at {number(result['traffic_events_per_s'])} events per second of "
        f"event time, cut off after {number(result['read_before_the_cut'])}. The next worker read "
        f"{number(result['read_again'])} events again ({result['read_again_minutes']} minutes of traffic: "
        f"open windows and what was not committed) and {number(result['read_by_nobody_before'])} for the "
        f"first time. It had its partitions after {result['assigned_after_s']} s and no lag after "
        f"{result['caught_up_after_s']} s: "
        f"{number(result['events_per_s'])} events/s, **{number(result['times_real_time'])} times real time** "
        f"at this traffic. Wrong rows: {number(result['wrong_rows'])}."
    )


def reactions(result: Result) -> str:
    """Online judging: what it bears, and its lag while it is offered less."""
    head = ("", "failures/s", "failures/min", "CPU ms per failure")
    rows = [
        (
            "ceiling: the asker alone, no Kafka, no Faust, no lake",
            number(result["ceiling_per_s"]),
            number(round(60 * result["ceiling_per_s"])),
            str(result["ceiling_cpu_ms"]),
        ),
        (
            f"**highest**: a backlog of {number(result['backlog'])}",
            f"**{number(result['highest_per_s'])}**",
            f"**{number(round(60 * result['highest_per_s']))}**",
            "",
        ),
        (
            f"offered for {number(round(result['offered_seconds']))} s",
            number(result["offered_per_s"]),
            number(round(60 * result["offered_per_s"])),
            str(result["cpu_ms_per_failure"]),
        ),
    ]
    tenths = ", ".join(map(number, result["lag_by_tenth"]))
    return (
        f"{markdown(head, rows)}\n\n**Ratio {result['ratio']}** of the ceiling. While offered: median lag "
        f"{number(result['lag_median'])} failures, highest {number(result['lag_highest'])}, growth "
        f"**{result['lag_growth_per_s']} per second** (a line through all samples); medians by tenth: "
        f"{tenths}; no lag {result['drained_after_s']} s after the last one. The endpoint answers after "
        f"{result['latency_s']} s, {result['concurrency']} calls at most in flight "
        f"({number(result['possible_per_s'])}/s possible); broker: {result['engine']}. Of "
        f"{number(result['failures'])} failures **{number(result['wrong'])}** had no row, a second row, a "
        f"second call or no committed offset."
    )


RENDERED: Final[dict[str, tuple[str, Callable[[Result], str]]]] = {
    "join": ("join", join),
    "peers": ("join", peers),
    "memory": ("memory", memory),
    "flat": ("flat", flat),
    "catch-up": ("catch_up", catch_up),
    "layout": ("layout", lake_tables.layout),
    "curation": ("curation", lake_tables.curation),
    "contamination": ("contamination", lake_tables.contamination),
    "reactions": ("reactions", reactions),
    "redaction": ("redaction", lake_tables.redaction),
    "drops": ("drops", drop_tables.drops),
    "erasure": ("erasure", drop_tables.erasure),
}
"""Marker in the README → the benchmark its text comes from and how it is written."""


def rewrite(text: str, results: Mapping[str, Result]) -> str:
    """The README with every marked part whose benchmark is in `results` written anew.

    Raises `TerminalError` when a marker is missing.
    """
    for marker, (benchmark, render) in RENDERED.items():
        if benchmark not in results:
            continue
        begin, end = f"<!-- results: {marker} -->", "<!-- /results -->"
        pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
        written = f"{begin}\n{render(results[benchmark])}\n\n{end}"
        found = pattern.search(text)
        if not found:
            raise TerminalError(f"benchmarks/README.md has no part {begin} … {end}")
        text = text[: found.start()] + written + text[found.end() :]
    return text
