"""`tailrace drop` and `tailrace drops`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
import typer

from console.commands.drops_diff import drops_diff
from console.commands.drops_push import drops_push
from console.commands.drops_rebuild import drops_rebuild
from console.drop_files import COLUMNS, file_rows, left_out_lines
from console.drop_ids import resolve
from console.forecast import show_rehearsal
from console.funnel import show_funnel, show_reasons
from console.moments import parse_as_of
from console.options import Home, Json, open_lake, settings_for
from console.terminal import EXIT_FAILED, out, print_json, print_table, progress_bar, say
from contracts.settings import Settings
from curation.drift_watch import watch_drift
from curation.engine import make_engine
from curation.judge.batch_place import Batches
from curation.judge.bench import Bench
from curation.nightly import DropResult, make_drop
from curation.rehearsal import Rehearsal, rehearse
from curation.sources import Progress
from curation.weights import resolve_model
from sinks.drops.manifest import verify as verify_folder
from sinks.drops.publish import registry, summary
from sinks.lake import Lake
from sinks.pages.length_words import in_a_line


class Engine(StrEnum):
    """Where the work on texts runs."""

    LOCAL = "local"
    RAY = "ray"


WIDE: Final = 100
"""Characters a terminal must have for a list of drops with everything about them."""

app = typer.Typer(help="List, show, verify, compare, rebuild and push published drops.", no_args_is_help=True)


def drop(
    as_of: Annotated[
        str | None,
        typer.Option(help="Build from what was known at the end of this day (UTC), or at this time."),
    ] = None,
    engine: Annotated[
        Engine | None,
        typer.Option(help="Where the work on texts runs: in this process, or as Ray tasks (same bytes)."),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show the time of each step, and requests refused for each reason."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Go up to the judge and say what judging would cost; nothing is asked, paid or written.",
        ),
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Build and publish a preference dataset from the lake.

    settle → eligible → select → confirm (judge) → pair → gates → dedupe → publish. The same inputs and
    settings give the same drop, byte for byte; running it again changes nothing. `tailrace why REQUEST_ID`
    follows one request through it.
    """
    settings = settings_for(home, nightly={"engine": engine.value} if engine else {})
    if dry_run:
        show_rehearsal(
            _rehearsed(settings, open_lake(settings), as_of=parse_as_of(as_of), quiet=as_json),
            settings.judge,
            as_json=as_json,
        )
        return
    result = build(settings, open_lake(settings), as_of=parse_as_of(as_of), quiet=as_json)
    for change in result.changes:
        say(f"a judge this lake has not seen: {change.words}")
    if as_json:
        print_json(describe(result))
    else:
        show_funnel(result.funnel, result.seconds if explain else None)
        if explain:
            show_reasons(open_lake(settings), result.drop_id)
        say(
            f"drop {result.drop_id} {'published' if result.new else 'was published before, unchanged'}: "
            f"{result.preference_rows:,} pairs, {result.unpaired_rows:,} unpaired rows"
        )
        out.print(str(result.folder), highlight=False, soft_wrap=True)


def build(
    settings: Settings, lake: Lake, *, as_of: datetime | None = None, quiet: bool = False
) -> DropResult:
    """Build a drop with a progress bar over the judge's calls and what they cost so far."""
    now_us = time.time_ns() // 1000
    with _watched("settling", quiet=quiet) as progress:
        waiting = partial(progress, "waiting for batches")
        bench = Bench.from_settings(settings, batches=Batches(folder=settings.batches_root, on_poll=waiting))
        drifted = watch_drift(lake, settings, now_us=now_us, progress=partial(progress, "asking the anchors"))
        for report in drifted:
            if report.drifted:
                say(report.words)
        return make_drop(
            lake,
            settings.drops_root,
            settings,
            bench,
            now_us=now_us,
            as_of=as_of,
            engine=make_engine(settings.nightly),
            model=resolve_model(settings),
            progress=progress,
        )


def _rehearsed(settings: Settings, lake: Lake, *, as_of: datetime | None, quiet: bool) -> Rehearsal:
    judge = Bench.from_settings(settings)
    with _watched("reading", quiet=quiet) as progress:
        return rehearse(
            lake,
            settings.drops_root,
            settings,
            judge,
            as_of=as_of,
            engine=make_engine(settings.nightly),
            progress=progress,
        )


@contextmanager
def _watched(first: str, *, quiet: bool) -> Iterator[Progress]:
    with progress_bar(quiet=quiet) as bar:
        task = bar.add_task(first, total=None)
        yield lambda part, done, total: bar.update(task, description=part, completed=done, total=total)


def describe(result: DropResult) -> dict[str, Any]:
    """A drop for `--json`."""
    return {
        "drop_id": result.drop_id,
        "path": str(result.folder),
        "new": result.new,
        "preference": result.preference_rows,
        "unpaired": result.unpaired_rows,
        "quarantined": result.quarantined_rows,
        "funnel": result.funnel,
        "seconds": result.seconds,
    }


@app.command("list")
def list_drops(home: Home = None, as_json: Json = False) -> None:
    """List published drops, newest first."""
    # What a rebuild goes by is long and says nothing to people.
    rows = registry(open_lake(settings_for(home))).drop("recipe")
    if as_json:
        print_json(rows.to_dicts())
        return
    if rows.is_empty():
        out.print("no drop is published yet: `tailrace drop` builds one", highlight=False)
        return
    named = {"drop_id": "drop_id", "as_of": "as_of", "preference_rows": "pairs", "unpaired_rows": "unpaired"}
    if out.width >= WIDE:
        named |= {"channel": "channel", "judge": "judge"}
    published = pl.col("published_at").dt.date().alias("published")
    print_table([*named.values(), "published"], rows.select(*named, published).rows())


@app.command("show")
def show(
    drop_id: Annotated[str, typer.Argument(help="Drop id, or `latest`.")] = "latest",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show what a drop holds, what it was made from, and who judged it."""
    settings = settings_for(home)
    manifest = summary(settings.drops_root / resolve(settings, drop_id))
    if as_json:
        print_json(manifest)
        return
    judge = manifest["judge"]
    out.print(f"[bold]{manifest['drop_id']}[/] as of {manifest['as_of']}", highlight=False)
    out.print(
        f"judge {judge['judge']} (epoch {judge['epoch']}), score {manifest['score_version']}", highlight=False
    )
    print_table(COLUMNS, file_rows(manifest))
    for line in left_out_lines(manifest):
        out.print(line, highlight=False)
    if lengths := in_a_line(manifest):
        out.print(lengths, highlight=False)
    show_funnel(manifest["funnel"])


@app.command("verify")
def verify(
    path: Annotated[Path, typer.Argument(help="Folder of a drop.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Check every byte of a drop against its manifest; exit 1 naming each file that changed."""
    problems = verify_folder(path)
    if as_json:
        print_json({"path": str(path), "ok": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            out.print(problem, highlight=False, markup=False, soft_wrap=True)
    else:
        out.print(f"{path.name}: every file is as published", highlight=False, markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(EXIT_FAILED)


app.command("diff")(drops_diff)
app.command("push")(drops_push)
app.command("rebuild")(drops_rebuild)
