"""`tailrace drops rebuild`: build a published drop again from the lake as it was, and compare every byte."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape

from console.drop_ids import resolve
from console.options import Home, Json, open_lake, settings_for
from console.terminal import EXIT_FAILED, out, print_json, print_table, progress_bar, say
from contracts.errors import NotRebuildable
from contracts.settings import Settings
from curation.engine import make_engine
from curation.rebuild.place import default_place
from curation.rebuild.restore import restore
from curation.rebuild.run import Rebuilt, rebuild
from sinks.drops.publish import published


def drops_rebuild(
    drop_id: Annotated[str, typer.Argument(help="Drop id, or `latest`.", show_default=False)],
    out_folder: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="Where to build it (default: rebuilt/ID in the home folder)."
        ),
    ] = None,
    sums: Annotated[
        Path | None,
        typer.Option(
            "--sums",
            metavar="FILE",
            help="A copy of the drop's SHA256SUMS, to name files that differ when its manifest is gone.",
            show_default=False,
        ),
    ] = None,
    put_back: Annotated[
        bool,
        typer.Option(
            "--restore",
            help="If the published folder is gone or damaged and every byte is right, put it back.",
        ),
    ] = False,
    other_code: Annotated[
        bool,
        typer.Option(
            "--other-code",
            help="Try it although another release, or other redaction, is installed than the drop was built "
            "with; the bytes decide.",
        ),
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Build a published drop again from the lake as it was then, and compare every byte.

    Settings, labels and verdicts are those of the drop; no judge is asked and nothing is paid. The published
    drop, the registry and all tables stay as they are. Works as long as the table versions it was built from
    can be read (lake.retention_days); what is no longer there is listed before any work starts.

    Exit code 0: identical. 1: it differs (files and settings are named), or it cannot be rebuilt.
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    name = resolve(settings, drop_id)
    row = published(lake, name)
    assert row is not None
    place = out_folder or default_place(settings, name)
    try:
        with progress_bar(quiet=as_json) as bar:
            task = bar.add_task("looking for what it was built from", total=None)
            done = rebuild(
                lake,
                settings,
                row,
                place,
                sums=sums,
                other_code=other_code,
                engine=make_engine(settings.nightly),
                progress=lambda part, n, of: bar.update(task, description=part, completed=n, total=of),
            )
    except NotRebuildable as error:
        _refuse(name, error, as_json=as_json)
        raise typer.Exit(EXIT_FAILED) from None
    restored = put_back and done.identical and restore(settings.drops_root, row, done)
    if as_json:
        print_json(described(done, restored=restored))
    else:
        _show(done, settings, restored=restored, asked=put_back)
    if not done.identical:
        raise typer.Exit(EXIT_FAILED)


def described(done: Rebuilt, *, restored: bool) -> dict[str, Any]:
    """A rebuild for `--json`."""
    return {
        **{name: value for name, value in asdict(done).items() if name not in ("files", "identity")},
        "folder": str(done.folder),
        "files": [asdict(each) for each in done.files],
        "identity": msgspec.to_builtins(done.identity),
        "restored": restored,
    }


def _refuse(drop_id: str, error: NotRebuildable, *, as_json: bool) -> None:
    if as_json:
        print_json({"drop_id": drop_id, "identical": False, "problems": error.problems, "hint": error.hint})
        return
    say(f"[red]{error}[/]:")
    for problem in error.problems:
        out.print(f"- {problem}", highlight=False, markup=False, soft_wrap=True)
    if error.hint:
        say(escape(error.hint))


def _show(done: Rebuilt, settings: Settings, *, restored: bool, asked: bool) -> None:
    for note in done.notes:
        say(f"note: {escape(note)}")
    if done.identical:
        say(f"drop {done.drop_id}: [green]identical[/], {len(done.files)} files, byte for byte")
        _say_of_published(done, settings, restored=restored, asked=asked)
    else:
        say(f"drop {done.drop_id}: [red]differs[/] from what was registered")
        unlike = [f for f in done.files if f.state != "same"]
        print_table(
            ["file", "", "registered", "rebuilt"],
            [[f.name, f.state, (f.registered or "–")[:16], (f.rebuilt or "–")[:16]] for f in unlike],
        )
        if done.identity:
            print_table(
                ["what decided it", "registered", "rebuilt"],
                [[c.name, _brief(c.before), _brief(c.after)] for c in done.identity],
            )
        if any(f.state == "unknown" for f in unlike):
            say("its manifest is gone, so which files differ is not known; --sums with its SHA256SUMS tells")
    out.print(str(done.folder), highlight=False, markup=False, soft_wrap=True)


def _say_of_published(done: Rebuilt, settings: Settings, *, restored: bool, asked: bool) -> None:
    if restored:
        say(f"the published folder was {done.published}; it is back in {settings.drops_root / done.drop_id}")
    elif done.published == "intact":
        if asked:
            say("the published folder is intact; there is nothing to restore")
    else:
        say(
            f"[yellow]the published folder is {done.published}[/]; this is what was registered: "
            "run it again with --restore to put it back"
        )
        for line in done.damage:
            out.print(f"- {line}", highlight=False, markup=False, soft_wrap=True)


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}…"
