"""`tailrace settle`, `tailrace status` and `tailrace report`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from console.options import Bootstrap, Home, Json, open_lake, settings_for
from console.report.collect import write_report
from console.terminal import out, print_json, print_table, say
from curation.settle import settle as run_settle
from streams.status import Status, read_status


def settle(home: Home = None, as_json: Json = False) -> None:
    """Fold late evidence into interactions, as new revisions.

    Outcomes arrive days after the request they speak about. Settling again changes nothing.
    """
    settings = settings_for(home)
    report = run_settle(
        open_lake(settings), horizon_us=settings.join.horizon_us, now_us=time.time_ns() // 1000
    )
    if as_json:
        print_json(asdict(report))
    else:
        say(
            f"{report.late_events:,} late events, {report.examined:,} interactions examined, "
            f"{report.revised:,} revised"
        )


def status(home: Home = None, bootstrap_servers: Bootstrap = None, as_json: Json = False) -> None:
    """Show what became of every consumed event, and where the join stands.

    Every event is exactly one of joined, pending, duplicate, late, orphan or dead letter.
    """
    settings = settings_for(home, bootstrap_servers)
    found = read_status(settings, open_lake(settings))
    if as_json:
        print_json(found.as_dict())
        return
    show(found)


def show(found: Status) -> None:
    """Print a status for people."""
    events = found.events.as_dict()
    total = max(events["consumed"], 1)
    print_table(
        ["events", "count", "share"],
        [[name, count, f"{count / total:.1%}"] for name, count in events.items()],
        title="What became of every event",
    )
    out.print(
        f"interactions {found.interactions:,} · failures {found.failures:,} · "
        f"watermark {found.watermark or '–'} · lag {'unknown' if found.lag is None else f'{found.lag:,}'} · "
        f"drops {found.drops}",
        highlight=False,
        soft_wrap=True,
    )


def report(
    home: Home = None,
    truth: Annotated[
        Path | None, typer.Option(help="The simulator's truth file, to rate the score against.")
    ] = None,
) -> None:
    """Write report.html over the lake and its newest drop."""
    settings = settings_for(home)
    path = write_report(settings, open_lake(settings), truth=truth)
    out.print(str(path), highlight=False, soft_wrap=True)
