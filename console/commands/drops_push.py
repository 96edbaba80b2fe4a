"""`tailrace drops push`: a copy of a drop in a folder, an object store or a Hugging Face repository."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from console.commands.evals import writable_lake
from console.drop_ids import resolve
from console.options import Home, Json, settings_for
from console.terminal import out, print_json, print_table, progress_bar, say
from contracts.settings import Settings
from sinks.drops.marks import with_predecessors
from sinks.lake import Lake
from sinks.push.copies import copies_of
from sinks.push.destination import Destination, parse
from sinks.push.run import Pushed, prepare, push
from sinks.push.target import Look, Options
from sinks.push.targets import target_for


def drops_push(
    drop_id: Annotated[str, typer.Argument(metavar="DROP", help="Drop id, or `latest`.", show_default=False)],
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DESTINATION",
            help="A folder, s3://BUCKET/PREFIX, gs://…, az://…, or hf://datasets/ORG/NAME[@BRANCH].",
            show_default=False,
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the drop and look what is there; send nothing.")
    ] = False,
    latest: Annotated[
        bool,
        typer.Option(
            "--latest/--no-latest",
            help="Whether the channel's LATEST there (of a repository: its branch) moves to this drop. "
            "It never moves to an older one.",
        ),
    ] = True,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Branch of a repository; default: main.")
    ] = None,
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public",
            help="Who may read a repository that is made now; default: private. Nothing is pushed to a "
            "public one without --public.",
            show_default=False,
        ),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Copy a published drop to where it is trained on. Run it again after an interruption: it goes on.

    Every byte is checked before it is sent, and on arrival; the manifest comes last, so that a copy with it
    is whole. What is there with the right bytes is not sent again, what is there with others is never
    overwritten: exit 1 names the files. Exit 3: the destination does not answer; the same command goes on.

    Folders and stores get DROP/… and LATEST, laid out like the drops folder. A repository gets one commit,
    tagged with the drop's id; README.md is its dataset card.

    Credentials come from the environment alone: AWS_ACCESS_KEY_ID and the like (AWS_ENDPOINT_URL for stores
    that are not Amazon's), GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_…, HF_TOKEN or `hf auth login`. In
    the bucket of the lake, `lake.storage_options` serve too. Needs the extra: pip install 'tailrace[push]'.

    With `--json`: `drop_id`, `destination`, `branch`, `commit`, `sent`, `sent_bytes`, `kept`, `latest_moved`,
    `files` (`name`, `bytes`, `sha256`, `sent`), `superseded_copies` (of drops that this one stands in for).
    """
    settings = settings_for(home)
    place = parse(destination, branch=revision)
    lake = writable_lake(settings)
    done = _pushed(
        settings,
        lake,
        resolve(settings, drop_id),
        place,
        Options(point=latest, private=private),
        dry_run=dry_run,
        quiet=as_json,
    )
    outlived = _outlived(lake, done)
    if as_json:
        print_json({**done.as_dict(), "superseded_copies": outlived})
        return
    _tell(done)
    for copy in outlived:
        say(
            f"[yellow]delete the copy of {copy['drop_id']} at {escape(copy['destination'])}:[/] "
            "it holds rows of an erased person"
        )


def _pushed(
    settings: Settings,
    lake: Lake,
    drop_id: str,
    place: Destination,
    options: Options,
    *,
    dry_run: bool,
    quiet: bool,
) -> Pushed:
    target = target_for(settings, place, options)
    with progress_bar(quiet=quiet, of_bytes=True) as bar:
        task = bar.add_task("checking", total=None)
        parcel = prepare(lake, settings.drops_root, drop_id)

        def looked(look: Look) -> None:
            bar.update(task, description="sending", total=sum(piece.bytes for piece in look.missing))

        options.sent = lambda count: bar.advance(task, count)
        return push(lake, parcel, place, target, point=options.point, dry_run=dry_run, looked=looked)


def _tell(done: Pushed) -> None:
    sent = {piece.name for piece in done.sent}
    would = "to send" if done.dry_run else "sent"
    print_table(
        ["file", "bytes", ""],
        [[p.name, p.bytes, would if p.name in sent else "there"] for p in done.parcel.pieces],
    )
    where = f"{done.destination.name}{f' at {done.commit[:12]}' if done.commit else ''}"
    if not done.sent:
        say(f"drop {done.parcel.drop_id} is whole at {escape(where)}: nothing to send")
    else:
        size = sum(piece.bytes for piece in done.sent)
        counts = f"{would} {len(done.sent):,} files, {size:,} bytes; {len(done.kept):,} were there"
        say(f"{counts}: {escape(where)}")
    if done.moved:
        say(f"the newest of channel {done.parcel.channel} there is now {done.parcel.drop_id}")
    if not done.dry_run:
        out.print(where, highlight=False, markup=False, soft_wrap=True)


def _outlived(lake: Lake, done: Pushed) -> list[dict[str, Any]]:
    """Copies, anywhere, of the drops that this one stands in for."""
    drop_id = done.parcel.drop_id
    return copies_of(lake, [name for name in with_predecessors(lake, [drop_id]) if name != drop_id])
