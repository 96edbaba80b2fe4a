"""`tailrace judge tasks` and `tailrace judge label`: what is left to people, and their labels coming back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from console.judging import lake_to_write
from console.options import Home, Json, open_lake, settings_for
from console.records import read_records
from console.terminal import print_json, print_table, say
from contracts.errors import SettingsError
from curation.judge.annotating import record_labels
from curation.judge.tasks import export as records_of
from curation.judge.tasks import tasks as all_tasks
from curation.judge.tasks import unfinished


def tasks(
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help="Write the open tasks with their texts, one JSON object each, to be labelled.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most tasks to show or export.")] = 200,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List requests that wait for a person, the most urgent first. Texts are only in the exported file.

    A task comes from a judge that was unsure, contradicted the evidence, could not read the item, or may not
    decide alone. The exported file does not say what the judge thought. Fill in `label` (fail, pass or
    unsure), `rater` and what else you know, then `tailrace judge label FILE`: a label closes the task.
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    rows = all_tasks(lake)
    waiting = unfinished(rows)
    shown = waiting.head(limit)
    written = _write(export, records_of(lake, shown, settings.privacy)) if export is not None else None
    counts = dict(rows["status"].value_counts().sort("status").iter_rows())
    if as_json:
        listed = shown.drop("user_key", "date").to_dicts()
        print_json({"total": rows.height, "status": counts, "exported": written, "tasks": listed})
        return
    if export is None:
        columns = ["task_id", "request_id", "reason", "priority", "feature", "failure_score", "status"]
        print_table(columns, shown.select(columns).rows(), title=f"{waiting.height:,} requests to label")
    say(", ".join(f"{n:,} {status}" for status, n in counts.items()) or "no tasks")
    if export is not None:
        say(f"{written:,} tasks written to {export}: fill in `label` and `rater`, then")
        say(f"  tailrace judge label {export}")
        if written is not None and written < shown.height:
            say(f"{shown.height - written:,} left out: the lake holds their texts no more")


def label(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="One record per label: request_id, label; rater, failure_kind, severity, "
            "corrected_response, note, adjudicated if any. JSON lines, CSV or Parquet.",
            show_default=False,
        ),
    ],
    rater: Annotated[
        str, typer.Option(metavar="NAME", help="Pseudonym of who labelled records that name nobody.")
    ] = "",
    guideline: Annotated[
        str, typer.Option(metavar="VERSION", help="Guideline of records that name none.")
    ] = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Store labels people gave, and the gold labels that follow from them.

    Gold is what an adjudicated record says, else the majority of the raters; a tie is none. Gold labels
    overrule judges from the next drop on, and judges are measured against them. Records without a label are
    skipped, and storing a file again changes nothing.
    """
    settings = settings_for(home)
    lake = lake_to_write(settings)
    records = read_records(file)
    found = record_labels(
        lake,
        records.rows,
        lines=records.lines,
        rater=rater,
        guideline=guideline,
        now_us=time.time_ns() // 1000,
    )
    left = unfinished(all_tasks(lake)).height
    if as_json:
        print_json({**asdict(found), "tasks_left": left})
        return
    say(
        f"{found.new:,} labels stored, {found.unchanged:,} there before, {found.unlabelled:,} records "
        f"without one; gold: {found.gold:,} new or changed, {found.withdrawn:,} withdrawn; "
        f"{found.tied:,} tied"
    )
    say(f"{left:,} requests still wait for a label")


def _write(path: Path, records: Iterator[dict[str, Any]]) -> int:
    """Whole or not at all: a half-written file would be labelled as if it were whole."""
    lines = [msgspec.json.encode(record) + b"\n" for record in records]
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(b"".join(lines))
        part.replace(path)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}", hint="Choose another path."
        ) from None
    return len(lines)
