"""`tailrace judge calibrate`: a judge against the labels of people."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from console.estimates import row
from console.judging import Feature, judge_for, judges_feature, lake_to_write
from console.options import Home, Json, settings_for
from console.records import read_records
from console.terminal import EXIT_FAILED, out, print_json, print_table, progress_bar, say
from contracts.settings import Settings
from curation.agreement.confusion import Comparison
from curation.judge.calibrating import Result, run_calibration
from curation.judge.calibration import Calibration, labels_wanted
from curation.judge.epoch import JudgeEpoch
from curation.judge.gold_items import GoldSet, gold_from_lake, gold_from_records
from sinks.lake import Lake


def calibrate(
    gold: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="One record per label: request_id, label (fail, pass), failure_kind?, rater?; items the "
            "lake does not hold bring `prompt` and `response`, or `messages`. JSON lines, CSV or Parquet. "
            "Without it: gold_labels of the lake, else what annotators agree on.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Judge at most so many items, drawn at random.", show_default=False),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask about every item anew, past the cache of verdicts.")
    ] = False,
    feature: Feature = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Measure the judge against labels of people; until it passes, it decides nothing alone.

    It passes when the lower bound of Cohen's κ (95 % interval) reaches `judge.min_kappa`, on `judge.min_gold`
    labels or more, and it is right more often than always giving the most frequent label. Otherwise exit 1.
    The result is kept for the judge's epoch: another model, rubric or prompt has to be measured anew.

    Items it is unsure of, or gives no verdict on, are counted apart. Verdicts are cached and budgeted as
    everywhere. With several raters an item, a person left out against the majority of the others is the human
    ceiling.

    With `--json`: `state`, `why`, `fresh`, `calibration_id`, `epoch`, `judge`, `gold` and `report`; every
    statistic is `{value, low, high, n, method, reason}`.
    """
    settings = settings_for(home)
    judge = judge_for(settings, feature)
    lake = lake_to_write(settings, create=gold is not None)
    labels = _gold(lake, settings, gold, feature).some(limit)
    with progress_bar(quiet=as_json) as progress:
        task = progress.add_task(f"judging by {judge.epoch.name}", total=len(labels.items))
        result = run_calibration(
            lake,
            judge,
            labels,
            settings.judge,
            now_us=time.time_ns() // 1000,
            fresh=fresh,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        print_json(_value(result, judge.epoch, labels))
    else:
        _show(result, judge.epoch, labels, settings)
    if result.ruling.state != "passed":
        raise typer.Exit(EXIT_FAILED)


def _gold(lake: Lake, settings: Settings, file: Path | None, feature: str | None) -> GoldSet:
    if file is None:
        return gold_from_lake(
            lake, settings.privacy, wanted=lambda other: judges_feature(settings, feature, other)
        )
    records = read_records(file)
    return gold_from_records(
        lake, records.rows, lines=records.lines, source=file.name, privacy=settings.privacy
    )


def _value(result: Result, epoch: JudgeEpoch, gold: GoldSet) -> dict[str, Any]:
    return {
        "calibration_id": result.calibration_id,
        "state": result.ruling.state,
        "why": result.ruling.why,
        "fresh": result.fresh,
        "judge": epoch.name,
        "epoch": epoch.id,
        "gold": {
            "source": gold.source,
            "hash": gold.hash,
            "items": len(gold.items),
            "set_aside": gold.set_aside,
        },
        "report": result.calibration.report(),
    }


def _show(result: Result, epoch: JudgeEpoch, gold: GoldSet, settings: Settings) -> None:
    found = result.calibration
    aside = "".join(f", {n:,} {reason.replace('_', ' ')}" for reason, n in gold.set_aside.items())
    say(f"{epoch.name} (epoch {epoch.id}) against {found.items:,} gold labels of {gold.source}{aside}")
    if result.fresh:
        say("every item was asked anew; verdicts of the cache were left alone")
    for reason, n in found.unjudged.items():
        say(f"{n:,} items without a verdict ({reason.replace('_', ' ')})")
    print_table(["statistic", "value", "low", "high", "note"], _statistics(found), title="Agreement")
    if found.comparison is not None:
        _show_confusion(found.comparison, found.abstained)
    if found.kinds is not None:
        _show_kinds(found.kinds.comparison)
    if found.confidence is not None:
        print_table(
            ["verdicts", "said", "right"],
            [[b.verdicts, b.confidence, b.right] for b in found.confidence.bins],
            title="Confidence, and how often it was right",
        )
    spent = found.spent
    if spent.calls:
        tokens = spent.input_tokens + spent.output_tokens
        cost = f", ${spent.cost_usd:.4f}" if spent.cost_usd else ""
        say(f"{spent.calls:,} calls, {tokens:,} tokens{cost}")
    state = {"passed": "passed", "failed": "did not pass", "not_enough": "cannot be told yet"}
    out.print(f"{state[result.ruling.state]}: {result.ruling.why}", markup=False, highlight=False)
    for line in _advice(result, settings):
        say(f"  → {line}")


def _statistics(found: Calibration) -> list[list[Any]]:
    rows = [
        row("Cohen κ", found.kappa, "with the gold labels, decided items"),
        row("Krippendorff α", found.alpha, "nominal"),
        row("accuracy", found.accuracy),
        ["majority baseline", found.baseline, None, None, "always the most frequent gold label"],
        row("unsure", found.abstention, "share of judged items"),
    ]
    if found.confidence is not None:
        rows += [
            ["Brier score", found.confidence.brier, None, None, "of its confidence; 0 is perfect"],
            ["calibration error", found.confidence.ece, None, None, "confidence against share right"],
        ]
    if found.people is not None:
        rows += [
            row("human ceiling, accuracy", found.people.ceiling.accuracy, "one person against the others"),
            row("human ceiling, κ", found.people.ceiling.kappa),
            row("α of people", found.people.krippendorff_alpha),
        ]
    return rows


def _show_confusion(comparison: Comparison, abstained: int) -> None:
    by_label = {each.label: each for each in comparison.per_label}
    print_table(
        ["gold", *(f"judge: {label}" for label in comparison.labels), "precision", "recall"],
        [
            [label, *cells, by_label[label].precision, by_label[label].recall]
            for label, cells in zip(comparison.labels, comparison.matrix, strict=True)
        ],
        title=f"Verdicts ({abstained:,} unsure left out)",
    )


def _show_kinds(comparison: Comparison) -> None:
    labels: Sequence[Any] = comparison.labels
    print_table(
        ["gold kind", *(f"judge: {label}" for label in labels)],
        [[label, *cells] for label, cells in zip(labels, comparison.matrix, strict=True) if any(cells)],
        title=f"Kinds of failure, where both say fail: the same in {comparison.accuracy.value or 0:.0%}",
    )


def _advice(result: Result, settings: Settings) -> list[str]:
    if result.ruling.state == "passed":
        return []
    lines = []
    wanted = labels_wanted(result.calibration, settings.judge.min_kappa)
    if result.ruling.state == "not_enough":
        lines.append(
            "Label more: `tailrace judge tasks --export FILE`, fill in `label`, `tailrace judge label FILE`."
        )
        if any(result.calibration.unjudged.values()):
            lines.append(
                "Items without a verdict do not count: raise judge.max_calls, or check the endpoint."
            )
    elif wanted is not None:
        lines.append(f"About {wanted:,} compared labels would settle it, if κ stays what it is.")
    else:
        lines.append("Read what it gets wrong, then change the rubric (a new epoch) or the model.")
    lines.append(
        "Until it passes, its verdicts count only where the evidence says the same; the rest goes to people."
    )
    return lines
