"""`tailrace retention`: delete rows older than their table's days, and hold what must stay."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import polars as pl
import typer

from console.commands.evals import writable_lake
from console.drop_ids import resolve
from console.options import Home, Json, identity_for, open_lake, settings_for
from console.terminal import print_json, print_table, progress_bar, say
from contracts.errors import SettingsError
from curation.retention.apply import apply as apply_retention
from curation.retention.holds import Held, place_hold, release_hold
from curation.retention.holds import holds as holds_in_force

app = typer.Typer(
    help="Delete rows older than their table's days, and hold what must stay.", no_args_is_help=True
)
Reason = Annotated[str, typer.Option(help="Why; recorded.", show_default=False)]


@app.command("apply")
def apply(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go and what would be lost; delete nothing.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Delete rows older than `retention.days` of their table, by whole days; what is held stays.

    Set days by table, e.g. `TAILRACE_RETENTION__DAYS='{"requests": 365}'`; a table that is not named is kept.
    The files go `lake.retention_days` later, and with them the chance to rebuild drops made from them: those
    are named.
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    if not settings.retention.days:
        raise SettingsError(
            "no table has a retention",
            hint="Set retention.days, e.g. TAILRACE_RETENTION__DAYS='{\"requests\": 365}'.",
        )
    with progress_bar(quiet=as_json) as bar:
        task = bar.add_task("retention", total=None)
        done = apply_retention(
            lake,
            settings,
            identity_for(settings, lake).user_key,
            now_us=time.time_ns() // 1_000,
            dry_run=dry_run,
            progress=lambda name: bar.update(task, description=name),
        )
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "tables": [table.as_dict() for table in done.tables],
                "no_longer_rebuildable": done.unbuildable,
                "files_until": done.files_until,
            }
        )
        return
    columns = ["table", "kept from", "rows removed", "kept by a hold"]
    print_table(
        columns,
        [
            [t.table, t.keep_from.isoformat(), t.removed, "all" if t.held else t.kept_by_hold]
            for t in done.tables
        ],
    )
    if done.unbuildable:
        say(
            f"[yellow]{len(done.unbuildable)} drops can{' then' if dry_run else ''} be rebuilt only until "
            f"{done.files_until:%Y-%m-%d}[/]: {', '.join(done.unbuildable)}"
        )
    if dry_run:
        say("nothing was deleted")


@app.command("hold")
def hold(
    reason: Reason,
    user: Annotated[str | None, typer.Option(help="Raw user id.", show_default=False)] = None,
    drop: Annotated[
        str | None, typer.Option(help="Drop id, or `latest`: its rows and what they came from.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="A whole table.", show_default=False)] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Keep a person's rows, those behind a drop, or a whole table from retention and erasure."""
    settings = settings_for(home)
    given: list[tuple[Held, str]] = []
    if user is not None:
        given.append(("user", identity_for(settings, open_lake(settings)).user_key(user)))
    if drop is not None:
        given.append(("drop", resolve(settings, drop)))
    if table is not None:
        given.append(("table", table))
    if len(given) != 1:
        raise SettingsError("a hold is for one thing", hint="Give one of --user, --drop and --table.")
    hold_id = place_hold(writable_lake(settings), *given[0], reason, now=datetime.now(UTC))
    if as_json:
        print_json({"hold_id": hold_id, "held": given[0][0]})
    else:
        say(f"{hold_id} is in force")


@app.command("release")
def release(
    hold_id: Annotated[str, typer.Argument(metavar="ID", help="Hold, see `holds`.", show_default=False)],
    reason: Reason,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """End a hold."""
    release_hold(writable_lake(settings_for(home)), hold_id, reason, now=datetime.now(UTC))
    if as_json:
        print_json({"hold_id": hold_id, "released": True})
    else:
        say(f"{hold_id} is released")


@app.command("holds")
def list_holds(home: Home = None, as_json: Json = False) -> None:
    """List the holds in force. People are shown by pseudonym."""
    columns = ["hold_id", "held", "user_key", "drop_id", "table_name", "reason", "recorded_at"]
    rows = holds_in_force(open_lake(settings_for(home))).select(columns)
    if as_json:
        print_json(rows.to_dicts())
    else:
        what = pl.coalesce("user_key", "drop_id", "table_name").alias("which")
        print_table(
            ["hold_id", "held", "which", "reason", "since"],
            rows.select("hold_id", "held", what, "reason", "recorded_at").rows(),
        )
