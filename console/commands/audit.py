"""`tailrace audit`: questions an auditor asks, one command each."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import polars as pl
import typer

from console.drop_ids import resolve
from console.moments import parse_as_of
from console.options import Home, Json, identity_for, open_lake, settings_for
from console.terminal import EXIT_FAILED, out, print_json, print_table, progress_bar, say
from sinks import audits
from sinks.drops.publish import registry
from sinks.drops.strays import unregistered
from sinks.drops.verification import verify_registry

app = typer.Typer(help="Answer an auditor: whose rows, what kind, untouched since?", no_args_is_help=True)


class By(StrEnum):
    """What a drop is broken down by."""

    LICENCE = "licence"
    SOURCE = "source"
    SYNTHETIC = "synthetic"
    FINGERPRINT = "fingerprint"
    JUDGE = "judge"


@app.command("consent")
def consent(
    revoked: Annotated[
        bool, typer.Option("--revoked", help="Name the rows, too; without it only drops and models.")
    ] = False,
    as_of: Annotated[
        str | None, typer.Option(help="As consent stood at this day's end (UTC), or at this time.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Most rows to show; `--json` has all.")] = 20,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Which published rows came from users who have since revoked consent, and which models saw them.

    Published drops are immutable: `tailrace erase --user` builds successors without a person's rows. Exit
    code 0 whether there are such rows or not.

    With `--json`: `as_of`, `rows` (`example_id`, `drop_id`, `user_key`, `consent_scope`, `revoked_at`,
    `policy_version`), `drops` (`drop_id`, `rows`, `users`, `share`), `models`.
    """
    moment = parse_as_of(as_of) or datetime.now(UTC)
    found = audits.revoked(open_lake(settings_for(home)), moment)
    if as_json:
        print_json(
            {
                "as_of": moment,
                "rows": found.rows.to_dicts(),
                "drops": found.drops.to_dicts(),
                "models": found.models.to_dicts(),
            }
        )
        return
    say(f"{found.rows.height:,} rows of published drops, as consent stood at {moment:%Y-%m-%d %H:%M}Z")
    if found.rows.is_empty():
        return
    _table(found.drops)
    if revoked:
        _table(found.rows.head(limit))
    if found.models.height:
        _table(
            found.models.select("model_id", "base_model", "adapter", "drop_ids"),
            title="Models trained on them",
        )


@app.command("example")
def example(
    example_id: Annotated[str, typer.Argument(metavar="ID", help="Example id.", show_default=False)],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show where an example came from and went: requests, evidence, consent, verdicts, drops, models."""
    found = audits.example(open_lake(settings_for(home)), example_id)
    if as_json:
        print_json(found)
        return
    row = found["rows"][-1]
    drops = ", ".join(each["drop_id"] for each in found["rows"])
    known = [[name, _cell(value)] for name, value in row.items() if name not in ("drop_id", "example_id")]
    print_table(["", example_id], [["drops", drops], *known])
    for name in ("verdicts", "consents", "quarantined", "models"):
        if found[name]:
            _table(pl.DataFrame(found[name], infer_schema_length=None), title=name)


@app.command("user")
def user(
    name: Annotated[
        str, typer.Argument(metavar="USER", help="User id as the application sends it.", show_default=False)
    ],
    pseudonym: Annotated[
        bool, typer.Option("--pseudonym", help="USER is the pseudonym (user_key) and not the id.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Say what is held of a user: rows in every table, drops, models, consent, erasures. No texts.

    `copies` are drops that `tailrace drops push` sent elsewhere: no erasure reaches those.
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    key = lake.pseudonyms.raised(name)
    if not pseudonym:
        identity = identity_for(settings, lake)
        key = identity.user_key(name)
    found = audits.user(lake, key)
    if as_json:
        print_json(found)
        return
    out.print(f"user_key {key}", highlight=False)
    # A store that may not be read is not the same as nothing.
    held = {
        name: "not readable" if rows is None else rows for name, rows in found["tables"].items() if rows != 0
    }
    if held:
        print_table(["table", "rows"], [list(each) for each in held.items()])
    else:
        say("no table holds a row of this user")
    for part in ("drops", "copies", "models", "consents", "erasures"):
        if found[part]:
            _table(pl.DataFrame(found[part], infer_schema_length=None), title=part)


@app.command("drop")
def drop(
    drop_id: Annotated[str, typer.Argument(help="Drop id, or `latest`.")] = "latest",
    by: Annotated[By, typer.Option(help="What to break it down by.")] = By.SOURCE,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Break a drop down by licence, source, synthetic share, behaviour fingerprint or judge epoch."""
    settings = settings_for(home)
    name = resolve(settings, drop_id)
    found = audits.breakdown(open_lake(settings), name, by.value)
    if as_json:
        print_json({"drop_id": name, "by": by.value, "shares": found.to_dicts()})
        return
    texts = pl.col(pl.String).fill_null("not named")
    _table(found.with_columns(texts), title=f"{name} by {by.value}")


@app.command("verify")
def verify(home: Home = None, as_json: Json = False) -> None:
    """Check the registry's hash chain, every manifest and every byte of every drop.

    Exit code 1 when something is off, a line per problem. The head is the hash of the newest registry row:
    note it elsewhere, and a rewritten history shows.
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    with progress_bar(quiet=as_json) as bar:
        task = bar.add_task("verifying drops", total=None)
        found = verify_registry(
            lake,
            settings.drops_root,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    strays = unregistered(settings.drops_root, registry(lake)["path"].to_list())
    if as_json:
        print_json(
            {
                "ok": not found.problems,
                "drops": found.drops,
                "files": found.files,
                "unchained": found.unchained,
                "unregistered": strays,
                "head": found.head,
                "problems": found.problems,
                "unfinished": found.unfinished,
            }
        )
    else:
        for problem in found.problems:
            out.print(problem, highlight=False, markup=False, soft_wrap=True)
        summary = f"{found.drops:,} drops, {found.files:,} files, {len(found.problems):,} problems; head "
        out.print(summary + (found.head or "none"), highlight=False, soft_wrap=True)
        if found.unfinished:
            say(
                f"an erasure was cut off before it cleared {', '.join(found.unfinished)}: "
                "run `tailrace erase` for the same person again"
            )
        if found.unchained:
            say(
                f"{found.unchained:,} drops are older than the chain: their files are checked, their rows not"
            )
        for name in strays:
            say(f"{name} is in no registry row: left by a build that was killed, or its row was removed")
    if found.problems:
        raise typer.Exit(EXIT_FAILED)


def _table(rows: pl.DataFrame, *, title: str | None = None) -> None:
    print_table(rows.columns, [[_cell(value) for value in row] for row in rows.rows()], title=title)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}Z"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value
