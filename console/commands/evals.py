"""`tailrace evals`: eval sets that training data must not hold, and what was found of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from console.drop_ids import resolve
from console.options import Home, Json, open_lake, require_file, settings_for
from console.terminal import out, print_json, print_table, progress_bar, say
from contracts.errors import DropInvalid
from contracts.settings import Settings
from curation.contamination.literal import SHORT
from curation.contamination.rates import contamination, matches
from curation.texts.tokens import tokens
from sinks.drops.manifest import read_manifest
from sinks.drops.publish import registry
from sinks.evals import active_sets, one, register
from sinks.evals import remove as remove_set
from sinks.lake import Lake
from sinks.quarantine import quarantined

app = typer.Typer(
    help="Register eval sets; every drop is checked against them. Show what was found.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="Name of the set, e.g. gsm8k.", show_default=False)]
SHOWN = 40


def writable_lake(settings: Settings) -> Lake:
    """The lake, with tables and columns that an older version of it lacks."""
    open_lake(settings)
    return open_lake(settings, create=True)


@app.command("add")
def add(
    name: Name,
    file: Annotated[Path, typer.Argument(help="JSONL, JSON, Parquet, CSV or TSV.", show_default=False)],
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            help="Field to compare, once per field; a dot reaches into objects (meta.question). Default: "
            "those with names eval sets use (question, prompt, turns, instruction, answer, solution …).",
            show_default=False,
        ),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Register a file as an eval set. From the next drop on, rows that hold its items are quarantined.

    The same content again changes nothing; changed content becomes the next version. Lists are compared
    element by element. Rows whose fields are all empty are counted and protect nothing. Items of fewer than
    8 words are found only as a whole turn (exact layer), answers of fewer than 8 words never: "42" is no
    leak.
    """
    settings = settings_for(home)
    lake = writable_lake(settings)
    with progress_bar(quiet=as_json) as progress:
        task = progress.add_task("reading", total=None)
        done = register(
            lake,
            name,
            require_file(file),
            field or [],
            count_tokens=lambda text: len(tokens(text)),
            short=SHORT,
            now=datetime.now(UTC),
            progress=lambda rows: progress.advance(task, rows),
        )
    if as_json:
        print_json({name: getattr(done, name) for name in done.__dataclass_fields__})
        return
    say(
        f"{name} version {done.version} {'registered' if done.new else 'is in force already, unchanged'}: "
        f"{done.items:,} items, fields {', '.join(done.fields)}"
    )
    if done.empty_rows:
        say(f"  {done.empty_rows:,} of {done.rows:,} rows have no text in these fields: nothing to look for")
    if done.short_items:
        say(f"  {done.short_items:,} items have fewer than {SHORT} words: only a whole turn is a leak")


@app.command("list")
def list_sets(home: Home = None, as_json: Json = False) -> None:
    """List the eval sets in force."""
    rows = active_sets(open_lake(settings_for(home)))
    if as_json:
        print_json(rows.to_dicts())
        return
    columns = ["eval_set", "version", "items", "empty_rows", "short_items", "fields", "file_name"]
    print_table(
        columns, [[", ".join(v) if isinstance(v, list) else v for v in r] for r in rows[columns].rows()]
    )


@app.command("show")
def show(
    name: Name,
    limit: Annotated[int, typer.Option(min=0, help="Items to show.")] = 5,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show a set: its versions, and the first items as the gate sees them."""
    lake = open_lake(settings_for(home))
    current = one(lake, name)
    versions = lake.scan("eval_sets").filter(eval_set=name).sort("registered_at").collect()
    items = (
        lake.scan("eval_items")
        .filter(eval_set=name, version=current["version"])
        .sort("row", "field")
        .head(limit)
        .select("item_id", "field", "role", "tokens", "text")
        .collect()
    )
    if as_json:
        print_json({"eval_set": name, "versions": versions.to_dicts(), "items": items.to_dicts()})
        return
    columns = ["version", "status", "items", "rows", "content_sha256", "file_name", "registered_at"]
    print_table(columns, [[_cell(v) for v in row] for row in versions[columns].rows()])
    print_table(items.columns, [[*row[:-1], row[-1][:120]] for row in items.rows()])


@app.command("remove")
def remove(name: Name, home: Home = None, as_json: Json = False) -> None:
    """Take a set out of force. Its items stay in the lake for the reports of earlier drops."""
    version = remove_set(writable_lake(settings_for(home)), name, now=datetime.now(UTC))
    if as_json:
        print_json({"eval_set": name, "version": version, "status": "removed"})
    else:
        say(f"{name} version {version} is no longer in force")


@app.command("report")
def report(
    drop_id: Annotated[str, typer.Argument(help="Drop id, or `latest`.")] = "latest",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show what of the eval sets was found in the rows of a drop, and how contamination grew over all drops.

    Matches name set, item, field, layer, score and place (characters of a side of the row); the rows are in
    quarantine: `tailrace quarantine show ID`.
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    drop_id = resolve(settings, drop_id)
    found = matches(quarantined(lake, drop_id=drop_id).collect())
    over_time = rates(settings, lake)
    summary = (
        found.group_by("eval_set", "layer", "severe")
        .agg(items=pl.col("item_id").n_unique(), rows=pl.col("quarantine_id").n_unique(), matches=pl.len())
        .sort("eval_set", "layer", "severe")
    )
    if as_json:
        print_json(
            {
                "drop_id": drop_id,
                "summary": summary.to_dicts(),
                "matches": found.to_dicts(),
                "over_time": over_time,
            }
        )
        return
    out.print(f"[bold]{drop_id}[/]", highlight=False)
    print_table(summary.columns, summary.rows(), title="found, by set, layer and severity")
    columns = [
        "quarantine_id",
        "eval_set",
        "item_id",
        "field",
        "layer",
        "score",
        "severe",
        "side",
        "start",
        "end",
    ]
    strongest = found.sort("severe", "score", descending=True).head(SHOWN)
    print_table(columns, strongest[columns].rows(), title="matches")
    if found.height > SHOWN:
        say(f"{found.height - SHOWN:,} more matches: --json shows all")
    keys = ["drop_id", "as_of", "eval_set", "version", "items_hit", "items_total", "rows_hit", "rows_checked"]
    print_table(
        [*keys, "share of rows"],
        [[*(_cell(row[key]) for key in keys), row["row_share"]] for row in over_time],
        title="over time",
    )


def rates(settings: Settings, lake: Lake) -> list[dict[str, Any]]:
    """Contamination of every eval set in every drop, oldest first.

    From the manifests; for a drop whose folder is gone, from the quarantine (then without the number of rows
    that were checked).
    """
    result = []
    for drop in registry(lake).sort("as_of", "published_at").iter_rows(named=True):
        try:
            block = read_manifest(settings.drops_root / drop["path"]).get("contamination", {})
        except DropInvalid:
            refused = quarantined(lake, drop_id=drop["drop_id"]).collect()
            block = contamination(refused, active_sets(lake), 0)
        for name, counts in sorted(block.items()):
            checked = counts["rows_checked"]
            share = counts["rows_hit"] / checked if checked else None
            result.append(
                {
                    "drop_id": drop["drop_id"],
                    "as_of": drop["as_of"],
                    "eval_set": name,
                    **counts,
                    "row_share": share,
                }
            )
    return result


def _cell(value: Any) -> Any:
    return f"{value:%Y-%m-%d %H:%M}Z" if isinstance(value, datetime) else value
