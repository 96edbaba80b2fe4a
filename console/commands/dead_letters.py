"""`tailrace dead-letters`: what could not be used, and how to put it back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from console.options import Bootstrap, Home, Json, open_lake, require_file, settings_for
from console.sending import send
from console.terminal import print_json, print_table, say
from contracts.reasons import DESCRIPTIONS, ERASED
from contracts.settings import Settings
from sinks.lake import Lake
from sinks.letter_counts import letter_counts
from streams.decoding import input_topics
from streams.recordings import RawEvent, read_recording, write_recording

app = typer.Typer(
    help="Show events that could not be used, export them for repair, and replay them.",
    no_args_is_help=True,
)
Reason = Annotated[
    str | None, typer.Option(help="Only this reason code.", metavar="CODE", show_default=False)
]


def select(lake: Lake, reason: str | None) -> pl.DataFrame:
    """Dead letters in the order they were consumed."""
    rows = lake.scan("dead_letters")
    if reason is not None:
        rows = rows.filter(pl.col("reason") == reason)
    return rows.sort("topic", "partition", "offset").collect()


@app.command("list")
def list_letters(
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 20,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Count dead letters by reason and show the newest. Values are never shown: they may be user text."""
    rows = select(open_lake(settings_for(home)), reason)
    counts = rows.group_by("reason").len().sort("len", descending=True).rows()
    columns = ["received_at", "topic", "partition", "offset", "reason", "field", "detail"]
    newest = rows.sort("received_at", descending=True).head(limit).select(columns)
    if as_json:
        print_json({"total": rows.height, "reasons": dict(counts), "newest": newest.to_dicts()})
        return
    print_table(
        ["reason", "count", "meaning"], [[code, count, DESCRIPTIONS.get(code, "")] for code, count in counts]
    )
    if newest.height:
        print_table(columns, [[f"{row[0]:%Y-%m-%d %H:%M:%S}Z", *row[1:]] for row in newest.rows()])


@app.command("stats")
def stats(
    days: Annotated[
        int | None, typer.Option(min=1, help="Only the last days, today included (UTC).", show_default=False)
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Count dead letters by day, reason and topic, with examples to look for (partition/offset).

    Schema errors are counted by field, too: a producer that breaks its contract mostly breaks one field.
    """
    today = datetime.now(UTC).date()
    since = None if days is None else today - timedelta(days=days - 1)
    counts, fields = letter_counts(open_lake(settings_for(home)), since=since)
    if as_json:
        print_json(
            {"total": counts["count"].sum(), "counts": counts.to_dicts(), "schema_fields": fields.to_dicts()}
        )
        return
    print_table(
        ["date", "reason", "topic", "count", "last seen", "examples"],
        [
            [
                row["date"],
                row["reason"],
                row["topic"],
                row["count"],
                f"{row['last_seen']:%H:%M:%S}Z",
                ", ".join(row["examples"]),
            ]
            for row in counts.iter_rows(named=True)
        ],
    )
    if fields.height:
        print_table(["topic", "field", "schema errors"], fields.rows())


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="Recording to write (JSONL).", show_default=False)],
    reason: Reason = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Write dead letters with their original bytes to a file; repair it, then `dead-letters replay` it."""
    settings = settings_for(home)
    written = write_recording(file, originals(settings, select(open_lake(settings), reason)))
    if as_json:
        print_json({"exported": written, "file": str(file)})
    else:
        say(f"{written:,} dead letters written to {file}")


@app.command("replay")
def replay(
    file: Annotated[
        Path | None, typer.Argument(help="Repaired recording (default: the originals as they are).")
    ] = None,
    reason: Reason = None,
    home: Home = None,
    bootstrap_servers: Bootstrap = None,
    as_json: Json = False,
) -> None:
    """Put repaired events back on their topics.

    Without a file the original bytes are sent again: useful after a limit was raised or a new version
    understands more. What still cannot be used becomes a dead letter again.
    """
    settings = settings_for(home, bootstrap_servers)
    if file is not None:
        events = read_recording(require_file(file))
    else:
        events = originals(settings, select(open_lake(settings), reason))
    sent = send(settings, events, quiet=as_json)
    if as_json:
        print_json({"replayed": sent})
    else:
        say(f"{sent:,} events sent again")


def originals(settings: Settings, rows: pl.DataFrame) -> Iterator[RawEvent]:
    """The messages as they first came, under the contract's topic names."""
    names = dict(input_topics(settings.kafka).values())
    # Nothing is left of the events of erased people.
    for row in rows.filter(pl.col("reason") != ERASED).iter_rows(named=True):
        yield RawEvent(names.get(row["topic"], row["topic"]), row["key"], row["value"])
