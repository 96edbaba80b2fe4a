"""`tailrace keys`: the key of the pseudonyms, and replacing it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console.options import Home, Json, open_lake, settings_for
from console.terminal import EXIT_FAILED, print_json, print_table, progress_bar, say
from contracts.errors import SettingsError
from contracts.settings import Settings
from curation.rekeying.rotate import (
    Rotated,
    TableKeys,
    is_settled,
    settled,
    standing,
    version_in_force,
)
from curation.rekeying.rotate import (
    rotate as rotate_keys,
)
from sinks.drops.lock import exclusive
from sinks.lake import Lake
from streams.identity import Identity
from streams.pseudonym_key import KeyRing, add_key, load_ring

app = typer.Typer(
    help="Replace the key of the user pseudonyms, and see how far that is.", no_args_is_help=True
)


@app.command("rotate")
def rotate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the rows that would be rewritten; change nothing.")
    ] = False,
    purge: Annotated[
        bool,
        typer.Option(
            "--purge",
            help="Delete replaced files at once, and not only after `lake.retention_days`: when the old key "
            "has leaked. Drops made from them can then not be rebuilt any more.",
        ),
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Replace the key of the user pseudonyms; everybody's rows, consents and erasures stay joined.

    A new key is made (or taken from the settings) and every pseudonym in the lake is rewritten under it, so
    that whoever has the old key, or a list of old pseudonyms, finds nobody any more. Workers may run on:
    those that read the key file follow, others stop and say so. Interrupted, run it again: it goes on. Keep
    all keys: without the first ones new events of known users cannot be recognised.
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    with exclusive(settings.drops_root):
        ring = load_ring(settings)
        resumed = not is_settled(lake, ring.version)
        if resumed and version_in_force(lake) == 1:
            _see_that_the_split_stays(settings, ring)
        if dry_run:
            _say_what_would_be(lake, ring, resumed=resumed, as_json=as_json)
            return
        if not resumed:
            ring = add_key(ring)
        done = _rotated(lake, settings, ring, purge=purge, quiet=as_json)
    _tell(done, resumed=resumed, as_json=as_json)


@app.command("status")
def status(home: Home = None, as_json: Json = False) -> None:
    """Show under which key every table's pseudonyms are. Exit 1 while a rotation is unfinished."""
    settings = settings_for(home)
    lake, ring = open_lake(settings), load_ring(settings)
    found = standing(lake, ring.version)
    done = settled(found, ring.version)
    if as_json:
        rows = [each.as_dict() for each in found]
        print_json({"keys": ring.version, "settled": done, "tables": rows})
    else:
        _table(found)
        say(
            f"the lake is under key {ring.version}, the newest"
            if done
            else "[yellow]a rotation is unfinished[/]: run `tailrace keys rotate`"
        )
    if not done:
        raise typer.Exit(EXIT_FAILED)


def _rotated(lake: Lake, settings: Settings, ring: KeyRing, *, purge: bool, quiet: bool) -> Rotated:
    identity = Identity(ring.keys, held_out_share=settings.privacy.held_out_share, seed=ring.seed)
    with progress_bar(quiet=quiet) as bar:
        task = bar.add_task("rotating", total=None)
        return rotate_keys(
            lake,
            identity,
            settings,
            purge=purge,
            progress=lambda text: bar.update(task, description=text),
        )


def _see_that_the_split_stays(settings: Settings, ring: KeyRing) -> None:
    """The sides of known users are drawn with the seed in force now; it goes into their pseudonyms."""
    if ring.seed != settings.curation.seed:
        raise SettingsError(
            f"privacy.pseudonym_seed is {ring.seed}, and curation.seed {settings.curation.seed}",
            hint=f"Set privacy.pseudonym_seed to {settings.curation.seed} and keep it: users would change "
            "between train and validation.",
        )


def _say_what_would_be(lake: Lake, ring: KeyRing, *, resumed: bool, as_json: bool) -> None:
    found = standing(lake, ring.version if resumed else ring.version + 1)
    if as_json:
        print_json({"dry_run": True, "resumed": resumed, "tables": [each.as_dict() for each in found]})
        return
    _table(found)
    say("nothing was changed")


def _table(found: list[TableKeys]) -> None:
    columns = ["table", "key", "rewritten", "rows", "to rewrite"]
    print_table(columns, [[t.table, t.key, t.rewritten, t.rows, t.older] for t in found])


def _tell(done: Rotated, *, resumed: bool, as_json: bool) -> None:
    if as_json:
        answer: dict[str, Any] = {
            "key": done.version,
            "resumed": resumed,
            "rows": done.rows,
            "files_deleted": done.files,
            "no_longer_rebuildable": done.unbuildable,
        }
        print_json(answer)
        return
    print_table(["table", "rows rewritten"], [[name, count] for name, count in done.rows.items()])
    if done.unbuildable:
        say(f"no longer rebuildable byte for byte: {', '.join(done.unbuildable)}")
    say(f"the lake is under key {done.version}; keep a copy of all keys")
