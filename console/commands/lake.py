"""`tailrace settle`, `tailrace status`, `tailrace report` and `tailrace lake …`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from console.options import Bootstrap, Home, Json, open_lake, settings_for
from console.report.collect import write_report
from console.terminal import EXIT_FAILED, out, print_json, print_table, progress_bar, say
from contracts.errors import SettingsError, TailraceError
from contracts.tables import TABLES
from curation.rescore import rescore as run_rescore
from curation.settle import settle as run_settle
from curation.weights import resolve_model
from sinks.drops.rebuildable import unbuildable
from sinks.maintenance import plan
from sinks.maintenance_compaction import Merged, merge
from sinks.maintenance_history import vacuum as delete_old_files
from sinks.maintenance_layout import DayFiles, LogSize, Step, day_files, log_size
from sinks.nightly_runs import SCHEDULED
from streams.reactions.nights import Overview
from streams.status import Status, read_status

app = typer.Typer(help="How the files of the lake lie, and putting them in order.", no_args_is_help=True)

Tables = Annotated[
    list[str] | None,
    typer.Option("--table", metavar="NAME", help="Only this table; may be given several times."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]


def settle(
    rescore: Annotated[
        bool,
        typer.Option(
            "--rescore",
            help="Also give every current interaction the score in force, as a new revision with the same "
            "evidence. Wanted after `tailrace score fit`.",
        ),
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Fold late evidence into interactions, as new revisions.

    Outcomes arrive days after the request they speak about. Settling again changes nothing.
    """
    settings = settings_for(home)
    lake, model = open_lake(settings), resolve_model(settings)
    now_us = time.time_ns() // 1000
    report = run_settle(lake, horizon_us=settings.join.horizon_us, now_us=now_us, model=model)
    again = 0
    if rescore:
        with progress_bar(quiet=as_json) as progress:
            task = progress.add_task("rescoring", total=None)
            again = run_rescore(
                lake,
                now_us=now_us,
                model=model,
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
    if as_json:
        print_json(asdict(report) | ({"rescored": again, "score_version": model.version} if rescore else {}))
        return
    say(
        f"{report.late_events:,} late events, {report.examined:,} interactions examined, "
        f"{report.revised:,} revised"
    )
    if rescore:
        say(f"{again:,} interactions rescored by {model.version}")


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
    out.print(escape(nightly_line(found.nightly)), highlight=False, soft_wrap=True)


def nightly_line(nightly: Overview) -> str:
    """The scheduled build in one line: the last night, how it ended and when, and the next."""
    parts = [f"next {nightly.next:%Y-%m-%d %H:%MZ}" if nightly.next else "no schedule (nightly.enabled)"]
    if (last := nightly.last) is not None and last.state != SCHEDULED:
        state = "silent" if nightly.silent else last.state
        parts.append(f"night of {last.night:%Y-%m-%d %H:%MZ} {state} at {last.at:%H:%M:%SZ}")
        parts += [f"drop {last.drop_id}"] if last.drop_id else []
        if nightly.failed_attempts:
            parts.append(f"{nightly.failed_attempts} failed attempts")
        parts += [last.detail] if last.detail else []
    return "nightly: " + " · ".join(parts)


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


@app.command("layout")
def layout(table: Tables = None, home: Home = None, as_json: Json = False) -> None:
    """Show the files of every table and day: how many, how large, how many rows, and the size of the log.

    The worker that owns partition 0 merges small files by itself; here you can see that it does.
    """
    lake = open_lake(settings_for(home))
    found: list[DayFiles] = []
    logs: dict[str, LogSize | None] = {}
    for name in _chosen(table):
        loaded = lake.table(name)
        found += day_files(name, loaded)
        logs[name] = log_size(lake, name, loaded)
    if as_json:
        print_json(
            {
                "days": [files.as_dict() for files in found],
                "logs": [asdict(log) for log in logs.values() if log is not None],
            }
        )
        return
    rows = [files.as_dict() for files in found]
    print_table(
        ["table", "date", "files", "median MB", "min MB", "max MB", "total MB", "rows"],
        [list(row.values()) for row in rows],
        title="Files",
    )
    print_table(
        ["table", "commits", "log files", "log MB"],
        [[log.table, log.version, log.files, log.bytes / (1 << 20)] for log in logs.values() if log],
        title="Logs",
    )


@app.command("compact")
def compact(table: Tables = None, dry_run: DryRun = False, home: Home = None, as_json: Json = False) -> None:
    """Merge small files now, by the rules the worker follows. Safe while workers run.

    Days that are still being appended to are left alone until they have very many files
    (lake.rollup_files, lake.compact_after_hours).
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    now_us = time.time_ns() // 1000
    steps = [step for name in _chosen(table) for step in plan(lake, name, settings.lake, now_us)]
    if dry_run:
        _print_planned(steps, as_json=as_json)
        return
    merged: list[Merged] = []
    failed: dict[str, str] = {}
    with progress_bar(quiet=as_json) as progress:
        task = progress.add_task("merging", total=len(steps))
        for step in steps:
            progress.update(task, description=f"merging {step.table} {step.day or ''}")
            try:
                merged.append(merge(lake, step, settings.lake))
            except TailraceError as error:
                failed[f"{step.table} {step.day or ''}".strip()] = str(error)
            progress.advance(task)
    _print_merged(merged, failed, as_json=as_json)
    if failed:
        raise typer.Exit(EXIT_FAILED)


def _print_planned(steps: list[Step], *, as_json: bool) -> None:
    rows = [step.files.as_dict() for step in steps]
    if as_json:
        print_json({"planned": rows})
        return
    columns = ("table", "date", "files", "total_mb")
    if rows:
        print_table(["table", "date", "files", "total MB"], [[row[c] for c in columns] for row in rows])
    say(f"{len(rows)} merges to do" if rows else "nothing to merge")


def _print_merged(merged: list[Merged], failed: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json({"merged": [done.as_dict() for done in merged], "failed": failed})
        return
    if merged:
        print_table(
            ["table", "date", "files before", "files after", "MB before", "MB after"],
            [list(done.as_dict().values()) for done in merged],
        )
    for name, reason in failed.items():
        say(f"{name}: not merged, try again: {reason}")
    say(f"{len(merged)} merges done" if merged else "nothing to merge" if not failed else "nothing merged")


@app.command("vacuum")
def vacuum(
    table: Tables = None,
    retention_days: Annotated[
        float | None,
        typer.Option(
            min=0, help="Keep files for so many days; at least lake.retention_days of the settings."
        ),
    ] = None,
    dry_run: DryRun = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Delete files that no version of the retention needs: replaced ones, and those of writes that failed.

    Drops can be built again from the table versions they name as far back as lake.retention_days, so
    nothing younger is deleted. Those that cannot be from then on are named.
    """
    settings = settings_for(home)
    least = settings.lake.retention_days
    if retention_days is not None and retention_days < least:
        raise SettingsError(
            f"--retention-days {retention_days:g} is below lake.retention_days ({least:g})",
            hint="Set lake.retention_days lower first: drops of the days in between cannot be rebuilt then.",
        )
    lake = open_lake(settings)
    now_us = time.time_ns() // 1000
    names = _chosen(table)
    found: dict[str, int] = {}
    lost: dict[str, None] = {}
    with progress_bar(quiet=as_json) as progress:
        task = progress.add_task("looking for old files", total=len(names))
        for name in names:
            progress.update(task, description=f"looking through {name}")
            paths = delete_old_files(
                lake,
                name,
                settings.lake,
                now_us=now_us,
                days=retention_days,
                dry_run=dry_run,
                before=lambda going, name=name: lost.update(  # type: ignore[misc]
                    dict.fromkeys(unbuildable(lake, {name: going}, rows_go=False))
                ),
            )
            found[name] = len(paths)
            progress.advance(task)
    if as_json:
        print_json({"dry_run": dry_run, "files": found, "no_longer_rebuildable": list(lost)})
        return
    some = [[name, count] for name, count in found.items() if count]
    if some:
        print_table(["table", "files"], some)
    say(f"{sum(found.values()):,} files {'would be deleted' if dry_run else 'deleted'}")
    if lost:
        can = "could then" if dry_run else "can"
        say(f"[yellow]{len(lost)} drops {can} no longer be rebuilt[/]: {', '.join(lost)}")


def _chosen(names: list[str] | None) -> list[str]:
    """The tables named, or all. Raises `SettingsError` for a name that is none."""
    for name in names or ():
        if name not in TABLES:
            raise SettingsError(f"there is no table {name}", hint=f"Tables: {', '.join(TABLES)}.")
    return list(names or TABLES)
