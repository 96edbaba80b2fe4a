"""`tailrace judge anchors` and `tailrace judge drift`: does a judge still say what it said?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from console.judging import Feature, judge_for, lake_to_write
from console.options import Home, Json, open_lake, settings_for
from console.records import read_records
from console.terminal import EXIT_FAILED, out, print_json, print_table, progress_bar, say
from contracts.errors import LabelsInvalid
from curation.judge.anchors import FROM_GOLD, add_anchors, balanced
from curation.judge.anchors import anchors as all_anchors
from curation.judge.drift import DriftReport
from curation.judge.drifting import run_drift
from curation.judge.gold_items import gold_from_lake, gold_from_records

app = typer.Typer(
    help="Keep items that are judged again and again, to see a judge drift.", no_args_is_help=True
)


@app.callback()
def group() -> None:
    """Keep items that are judged again and again, to see a judge drift."""


@app.command("add")
def add(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Labelled items as `tailrace judge calibrate --gold` takes them.",
            show_default=False,
        ),
    ] = None,
    from_gold: Annotated[
        int | None,
        typer.Option(
            "--from-gold",
            min=1,
            metavar="N",
            help="Take N gold labels of the lake, half failures and half others as far as there are.",
            show_default=False,
        ),
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Add anchors, with their texts: they do not depend on what the lake still holds.

    50 to 200 anchors are plenty. Adding one again changes nothing.
    """
    if (file is None) == (from_gold is None):
        raise typer.BadParameter("give a FILE, or --from-gold N")
    settings = settings_for(home)
    lake = lake_to_write(settings, create=file is not None)
    if file is not None:
        records = read_records(file)
        gold = gold_from_records(
            lake, records.rows, lines=records.lines, source=file.name, privacy=settings.privacy
        )
        chosen, source = gold.items, file.name
    else:
        gold = gold_from_lake(lake, settings.privacy)
        chosen, source = balanced(gold.items, from_gold or 0), FROM_GOLD
    if not chosen:
        raise LabelsInvalid(
            "there are no labelled items to take anchors from",
            hint="Label some: `tailrace judge tasks --export FILE`, then `tailrace judge label FILE`.",
        )
    new = add_anchors(lake, chosen, source=source, now_us=time.time_ns() // 1000)
    total = all_anchors(lake).height
    if as_json:
        print_json({"new": new, "anchors": total, "set_aside": gold.set_aside})
        return
    for reason, n in gold.set_aside.items():
        say(f"{n:,} set aside: {reason.replace('_', ' ')}")
    say(f"{new:,} anchors added, {total:,} in all; `tailrace judge drift` asks the judge about them")


@app.command("list")
def list_anchors(home: Home = None, as_json: Json = False) -> None:
    """List anchors. Texts are never shown."""
    rows = all_anchors(open_lake(settings_for(home)))
    shown = rows.select("anchor_id", "request_id", "feature", "label", "source", "added_at")
    if as_json:
        print_json(shown.to_dicts())
        return
    print_table(
        ["anchor", "request", "feature", "label", "source", "added"],
        [[a[:16], r, f, label, s, f"{t:%Y-%m-%d}"] for a, r, f, label, s, t in shown.iter_rows()],
        title=f"{rows.height:,} anchors",
    )


def drift(
    feature: Feature = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Judge the anchors anew and say whether the judge changed behind its name; exit 1 when it did.

    The first run of an epoch asks everything twice: the first answers are the reference, the second its
    noise. Later runs ask once, past the cache, and compare: more flips than noise explains (McNemar's exact
    test, one-sided, a false alarm in a hundred runs) are drift. A judge that drifted is not trusted until
    `tailrace judge calibrate` has measured it anew, and its next run makes a new reference.

    It tells that answers on these anchors changed since the epoch's first run. It does not tell why, nor
    whether they became better (anchors with gold labels hint at it), nor of changes before that run, nor of
    ones so small that few anchors flip. Another model name, rubric or prompt is another epoch with its own
    reference, and never drift.
    """
    settings = settings_for(home)
    judge = judge_for(settings, feature)
    lake = lake_to_write(settings)
    with progress_bar(quiet=as_json) as progress:
        task = progress.add_task(f"asking {judge.epoch.name}", total=None)
        report = run_drift(
            lake,
            judge,
            now_us=time.time_ns() // 1000,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        print_json(_value(report))
    else:
        _show(report)
    if report.drifted:
        raise typer.Exit(EXIT_FAILED)


def _value(report: DriftReport) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(report)
    return {**found, "words": report.words}


def _show(report: DriftReport) -> None:
    out.print(report.words, markup=False, highlight=False, soft_wrap=True)
    if report.moves:
        print_table(["first → now", "anchors"], list(report.moves.items()))
    if report.right_now.value is not None and report.right_first.value is not None:
        say(
            f"as the gold labels say: {report.right_first.value:.0%} at first, "
            f"{report.right_now.value:.0%} now "
            f"({report.right_now.n:,} labelled anchors)"
        )
    if report.not_compared and report.compared:
        say(f"{report.not_compared:,} anchors were not compared: no verdict now, or none before")
    if report.spent_usd:
        say(f"${report.spent_usd:.4f} spent")
    if report.drifted:
        say("  → It no longer decides alone. Measure what it is now: `tailrace judge calibrate`")
        say("    (asks everything anew). Or pin the model's exact version, which starts a new epoch.")
