"""`tailrace models`: which models were trained on which drops, and what a new base model changes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from console.drop_ids import resolve
from console.impact_commands import advice
from console.options import Home, Json, open_lake, settings_for
from console.terminal import out, print_json, print_table, say
from sinks import models as registry
from sinks.drops.marks import successor, superseded

app = typer.Typer(
    help="Register trained models, and see what a new base model changes.", no_args_is_help=True
)


@app.command("register")
def register(
    drop: Annotated[
        list[str],
        typer.Option(help="Drop it was trained on; may be given several times.", show_default=False),
    ],
    base_model: Annotated[str, typer.Option(help="Base model it was trained from.", show_default=False)],
    adapter: Annotated[
        str | None, typer.Option(help="Name of the adapter, when only that was trained.", show_default=False)
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="URI", help="Where the weights are.", show_default=False)
    ] = None,
    model_id: Annotated[
        str | None,
        typer.Option(help="Id to register it under (default: made of the rest).", show_default=False),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Register a model: from then on audits and erasures name it wherever one of its drops is touched."""
    settings = settings_for(home)
    training = registry.Training(
        drops=tuple(resolve(settings, name) for name in drop),
        base_model=base_model,
        adapter=adapter,
        checkpoint=checkpoint,
    )
    name, new = registry.register(open_lake(settings), training, now=datetime.now(UTC), model_id=model_id)
    if as_json:
        print_json({"model_id": name, "new": new})
        return
    say(f"{'registered' if new else 'was registered before'}:")
    out.print(name, highlight=False)


@app.command("list")
def list_models(home: Home = None, as_json: Json = False) -> None:
    """List registered models, newest first."""
    rows = registry.registered(open_lake(settings_for(home)))
    if as_json:
        print_json(rows.to_dicts())
        return
    if rows.is_empty():
        say("no model is registered: `tailrace models register --help`")
        return
    columns = ["model_id", "base_model", "adapter", "checkpoint_uri", "drop_ids", "registered_at"]
    names = ["model_id", "base_model", "adapter", "checkpoint", "drops", "registered"]
    print_table(names, [[_cell(value) for value in row] for row in rows.select(columns).rows()])


@app.command("impact")
def impact(
    base_model: Annotated[
        str, typer.Option(help="The base model that is to replace the others.", show_default=False)
    ],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Say what a change of the base model leaves stale: models, drops, rows, and what to run.

    An adapter is bound to its base model, so every model on another base has to be trained again. Drops are
    text: rows whose worse side the old model wrote are off-policy for the new one, and rows people wrote stay
    true. For each drop it prints the command that gives the old rows again (to compare on), and the one whose
    drop replaces the stale ones (to train on). Exit code 0; an empty list means that nothing was trained on
    another base.
    """
    lake = open_lake(settings_for(home))
    found, replaced = registry.impact(lake, base_model), superseded(lake)
    commands = {
        each.drop_id: advice(
            each, base_model, successor=successor(lake, each.drop_id) if each.drop_id in replaced else None
        )
        for each in found
    }
    if as_json:
        print_json([{**asdict(i), "commands": [asdict(c) for c in commands[i.drop_id]]} for i in found])
        return
    if not found:
        say(f"no registered model is on another base than {base_model}")
        return
    print_table(
        ["drop", "models", "adapters", "rows", "stale (off-policy)", "unknown writer", "by people"],
        [
            [i.drop_id, _cell(i.models), _cell(i.adapters), i.rows, i.stale, i.unknown, i.people]
            for i in found
        ],
    )
    # A drop of a channel takes the place of the stale rows of all its drops.
    told = dict.fromkeys(each for drop in found for each in commands[drop.drop_id])
    for each in sorted(told, key=lambda each: each.purpose == "replace"):
        out.print(f"# {each.why}", highlight=False, markup=False, soft_wrap=True)
        out.print(each.command, highlight=False, markup=False, soft_wrap=True)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}Z"
    return ", ".join(value) if isinstance(value, list) else value
