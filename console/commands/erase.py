"""`tailrace erase`: remove a person from everything, and prove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from console.commands.evals import writable_lake
from console.options import Home, Json, identity_for, open_lake, settings_for
from console.report.collect import REPORT_FILE, write_report
from console.terminal import EXIT_FAILED, out, print_json, print_table, progress_bar, say
from contracts.errors import SettingsError
from contracts.pseudonyms import PATTERN
from contracts.settings import Settings
from curation.erasure.place import Place, Subject
from curation.erasure.plan import Plan
from curation.erasure.plan import plan as plan_erasure
from curation.erasure.run import Erased
from curation.erasure.run import erase as erase_person
from sinks.lake import Lake
from streams.identity import Identity


def erase(
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="Raw user id, as applications send it.")
    ] = None,
    user_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Pseudonym instead, as the tables have it.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count rows, drops and models; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Remove a person from every table and its history, from published drops, and prove it.

    Rows go from all tables, old files and logs; drops that held any get successors without them; replayed
    events are refused from then on. At the end every remaining file is read, and the certificate says that
    nothing was found: exit 1 if something was. Run it again after an interruption: it goes on. It cannot
    reach Kafka topics, backups, or what models have learned; copies that `tailrace drops push` made are
    named, to be deleted by hand.
    """
    settings = settings_for(home)
    found = open_lake(settings)
    identity = identity_for(settings, found)
    subject = _subject(identity, user, user_key)
    if dry_run:
        _show(plan_erasure(Place(found, settings, identity), subject), as_json=as_json)
        return
    lake = writable_lake(settings)
    if not yes:
        if as_json:
            raise SettingsError("an erasure cannot be undone", hint="Give --yes, or --dry-run to look first.")
        _show(plan_erasure(Place(lake, settings, identity), subject), as_json=False)
        typer.confirm("This cannot be undone. Erase?", abort=True, err=True)
    done = _erased(settings, lake, identity, subject, quiet=as_json)
    if as_json:
        print_json({**done.certificate, "file": str(done.file), "again": done.again})
    else:
        _tell(done)
    if not done.absent:
        raise typer.Exit(EXIT_FAILED)


def _subject(identity: Identity, user: str | None, user_key: str | None) -> Subject:
    if (user is None) == (user_key is None):
        raise typer.BadParameter("Give --user with the raw user id, or --user-key; one of them.")
    if user:
        key = identity.user_key(user)
        return Subject(key, user, tuple(identity.former(key, user)))
    if not user_key or not PATTERN.fullmatch(user_key):
        raise typer.BadParameter("That is no pseudonym: tables show them as `user_key`.")
    key = identity.raised(user_key)
    return Subject(key, former=() if key == user_key else (user_key,))


def _erased(settings: Settings, lake: Lake, identity: Identity, subject: Subject, *, quiet: bool) -> Erased:
    with progress_bar(quiet=quiet) as bar:
        task = bar.add_task("erasing", total=None)
        done = erase_person(
            Place(lake, settings, identity, progress=lambda text: bar.update(task, description=text)), subject
        )
    if REPORT_FILE in done.certificate["other_files"] and not (settings.home / REPORT_FILE).exists():
        # It quoted the person; the new one is made from what is left.
        write_report(settings, lake)
    return done


def _show(seen: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json(seen.as_dict())
        return
    rows = [[name, c["before"], c["removed"], c["altered"]] for name, c in seen.tables.items()]
    if rows:
        print_table(["table", "rows", "to remove", "to alter"], rows)
    else:
        say("no table holds anything of this person")
    if seen.drops:
        print_table(
            ["drop", "channel", "rows", "models"],
            [[d.drop_id, d.channel, d.rows, ", ".join(d.models)] for d in seen.drops],
        )
    _show_copies(seen.copies)
    for hold in seen.holds:
        say(f"[yellow]a legal hold forbids it: {hold}[/]")
    if seen.state is not None:
        say(f"an earlier erasure of this person is at: {seen.state}")


def _show_copies(copies: Sequence[Mapping[str, Any]]) -> None:
    if copies:
        print_table(
            ["drop", "copy", "branch", "commit", "whole"],
            [[c["drop_id"], c["destination"], c["branch"], c["commit_id"], c["whole"]] for c in copies],
            title="Copies outside that hold the person: delete them there, an erasure cannot",
        )


def _tell(done: Erased) -> None:
    found = done.certificate
    if done.again:
        say("this person was erased before")
    rows = [
        [name, c["before"], c["removed"], c["altered"], c["files_removed"]]
        for name, c in found["tables"].items()
        if c["removed"] or c["altered"] or c["files_removed"]
    ]
    print_table(["table", "rows before", "removed", "altered", "files removed"], rows)
    if found["drops"]:
        print_table(
            ["drop", "rows", "successor", "models trained on it"],
            [
                [d, about["rows"], about["successor"], ", ".join(about["models"])]
                for d, about in found["drops"].items()
            ],
        )
    _show_copies(found.get("copies_outside", ()))
    if found["no_longer_rebuildable"]:
        say(f"no longer rebuildable byte for byte: {', '.join(found['no_longer_rebuildable'])}")
    if found["looked_for"]["user_id"] != "everywhere":
        say(f"how the raw user id was looked for: {found['looked_for']['user_id']}")
    scan = found.get("proven_again", found)["scan"]
    if done.absent:
        say(f"[green]absent[/]: nothing in {scan['files']:,} files of {scan['bytes'] / (1 << 20):,.1f} MiB")
    else:
        say("[red]not proven[/]: something was found, or could not be read")
        print_table(
            ["file", "found"],
            [
                [place, ", ".join(f"{n} {kind}" for kind, n in kinds.items())]
                for place, kinds in scan["found"].items()
            ]
            + [[place, "cannot be read"] for place in scan["unreadable"]],
        )
        say("remove or mend these files, then run it again")
    out.print(str(done.file), highlight=False, soft_wrap=True)
