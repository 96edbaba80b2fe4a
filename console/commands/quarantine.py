"""`tailrace quarantine`: what gates refused, why, and letting a row pass."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import polars as pl
import typer

from console.commands.evals import writable_lake
from console.drop_ids import resolve
from console.options import Home, Json, open_lake, settings_for
from console.terminal import out, print_json, print_table, say
from sinks.quarantine import history, quarantined
from sinks.quarantine import release as let_pass

app = typer.Typer(help="Show rows that gates refused, and release them.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="Quarantine id, see `list`.", show_default=False)]


@app.command("list")
def list_rows(
    drop: Annotated[
        str | None, typer.Option(help="Only this drop's (`latest`: the newest).", show_default=False)
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only this reason, e.g. contaminated.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 20,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Count refused rows by stage and reason and show the newest. Texts are never shown."""
    settings = settings_for(home)
    lake = open_lake(settings)
    rows = quarantined(lake, drop_id=resolve(settings, drop) if drop else None, reason=reason)
    counts = (
        rows.group_by("stage", "reason")
        .agg(rows=pl.len())
        .sort("rows", "stage", "reason", descending=[True, False, False])
    )
    columns = ["quarantine_id", "drop_id", "stage", "reason", "kind", "detail", "request_ids", "released"]
    newest = rows.sort("refused_at", "quarantine_id", descending=[True, False]).head(limit).select(columns)
    counted, shown = pl.collect_all([counts, newest])
    if as_json:
        print_json(
            {"total": counted["rows"].sum(), "reasons": counted.to_dicts(), "newest": shown.to_dicts()}
        )
        return
    print_table(["stage", "reason", "rows"], counted.rows())
    if shown.height:
        print_table(columns, [[_cell(value) for value in row] for row in shown.rows()])


@app.command("show")
def show(identifier: Id, home: Home = None, as_json: Json = False) -> None:
    """Show a refusal: the drops it was refused from, its requests, and the evidence."""
    lake = open_lake(settings_for(home))
    rows = history(lake, identifier)
    newest = rows.row(-1, named=True)
    evidence = msgspec.json.decode(newest["evidence"]) if newest["evidence"] else {}
    releases = (
        lake.scan("releases").filter(quarantine_id=identifier).collect() if lake.exists("releases") else None
    )
    released = releases.to_dicts() if releases is not None else []
    if as_json:
        print_json({**newest, "drops": rows["drop_id"].to_list(), "evidence": evidence, "releases": released})
        return
    for name in ("stage", "reason", "kind", "detail", "request_ids"):
        out.print(f"{name}: {_cell(newest[name])}", highlight=False, markup=False, soft_wrap=True)
    out.print(f"drops: {', '.join(rows['drop_id'])}", highlight=False, markup=False, soft_wrap=True)
    if found := evidence.get("matches"):
        columns = ["eval_set", "item_id", "field", "layer", "score", "severe", "side", "start", "end"]
        print_table(columns, [[match[column] for column in columns] for match in found])
    for row in released:
        say(f"released {row['released_at']:%Y-%m-%d %H:%M}Z: {row['reason']}")


@app.command("release")
def release(
    identifier: Id,
    reason: Annotated[
        str, typer.Option(help="Why this row may be trained on; recorded.", show_default=False)
    ],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Let a refused row pass from the next build on. Published drops stay as they are.

    A release is for one row and one matched item: a match with another item is refused anew.
    """
    new = let_pass(writable_lake(settings_for(home)), identifier, reason, now=datetime.now(UTC))
    if as_json:
        print_json({"quarantine_id": identifier, "released": True, "new": new})
    else:
        say(f"{identifier} {'is released from the next drop on' if new else 'was released before'}")


def _cell(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value
