"""`tailrace agreement`: how far raters agree, from a file of labels."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from console.estimates import Confidence, Resamples, Seed, brief, made, print_pairs, row
from console.options import Json
from console.records import read_records
from console.terminal import out, print_json, print_table, progress_bar, say
from curation.agreement.bootstrap import Bootstrap
from curation.agreement.fields import GROUP, ITEM, LABEL, RATER, TIME
from curation.agreement.labels import Fields, LabelSets, read_labels
from curation.agreement.raters import RaterProfile
from curation.agreement.ratings import Level
from curation.agreement.report import AgreementReport, summarise


class Repeats(StrEnum):
    """What to do when a rater labelled an item twice."""

    ERROR = "error"
    FIRST = "first"
    LAST = "last"


def _field(option: str, what: str, known: Sequence[str]) -> Any:
    return typer.Option(
        option,
        metavar="NAME",
        help=f"Field of the {what}; without it the first there is of {', '.join(known)}.",
        show_default=False,
    )


def agreement(
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="One record per label: item, rater, label. JSON lines, CSV or Parquet.",
            show_default=False,
        ),
    ],
    level: Annotated[
        Level | None,
        typer.Option(
            help="What distances between labels mean.", show_default="ordinal for numbers, else nominal"
        ),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,…,HIGH", help="Order of text labels; makes them ordinal.", show_default=False
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Report each value of this field by itself; `none`: all as one.",
            show_default=f"the first there is of {', '.join(GROUP)}",
        ),
    ] = None,
    item_field: Annotated[str | None, _field("--item-field", "item", ITEM)] = None,
    rater_field: Annotated[str | None, _field("--rater-field", "rater", RATER)] = None,
    label_field: Annotated[str | None, _field("--label-field", "label", LABEL)] = None,
    time_field: Annotated[str | None, _field("--time-field", "time, for drift", TIME)] = None,
    keep: Annotated[
        Repeats, typer.Option(help="Which label stays when a rater labelled an item twice.")
    ] = Repeats.ERROR,
    bootstrap: Resamples = 1_000,
    seed: Seed = 0,
    confidence: Confidence = 0.95,
    as_json: Json = False,
) -> None:
    """Say how far raters agree: Krippendorff's α, Cohen's and Fleiss' κ, AC1, each with its interval.

    Gaps are allowed: leave the record out, or write null. Every rater is compared with the rest, and a
    person left out with the majority of the others (the human ceiling).

    With `--json` every statistic is `{value, low, high, n, method, reason}`; what is undefined is null and
    `reason` says why. Keys: `krippendorff_alpha` (at `level`), `alpha_nominal`, `alpha_ordinal`,
    `alpha_interval`, `alpha_ratio`, `cohen_kappa` (more than two raters: mean over pairs), `weighted_kappa`
    (quadratic), `fleiss_kappa`, `free_marginal_kappa`, `gwet_ac1`, `percent_agreement`, `pairs`,
    `rater_profiles`, `majority_baseline`, `human_ceiling`, `items`, `raters`, `ratings`, `gaps`, `labels`,
    `level`, `interpretation`. With several groups the same under `groups.<name>`.
    """
    records = read_records(labels)
    found = read_labels(
        records.rows,
        lines=records.lines,
        fields=Fields(item_field, rater_field, label_field, by, time_field),
        level=level,
        order=[name.strip() for name in order.split(",")] if order else None,
        keep=keep.value,
    )
    resampling = Bootstrap(resamples=bootstrap, seed=seed, confidence=confidence)
    reports: dict[str | None, AgreementReport] = {}
    with progress_bar(quiet=as_json) as progress:
        task = progress.add_task("resampling", total=len(found.sets))
        for name, ratings in found.sets.items():
            reports[name] = summarise(ratings, found.level, resampling)
            progress.advance(task)
    if as_json:
        print_json(_value(found, reports, resampling))
    else:
        _show(found, reports)


def _value(
    found: LabelSets, reports: dict[str | None, AgreementReport], resampling: Bootstrap
) -> dict[str, Any]:
    head = {
        "by": found.group_field,
        "level": found.level,
        "level_from": found.level_from,
        "repeats_left_out": found.repeats,
        "bootstrap": made(resampling),
    }
    if found.group_field is None:
        return {**head, **msgspec.to_builtins(reports[None])}
    return {**head, "groups": reports}


def _show(found: LabelSets, reports: dict[str | None, AgreementReport]) -> None:
    say(f"level of measurement: {found.level} ({found.level_from})")
    if found.repeats:
        say(f"{found.repeats:,} repeated ratings left out")
    if found.group_field is None or len(reports) == 1:
        for report in reports.values():
            _show_one(report)
        return
    print_table(
        [
            found.group_field,
            "items",
            "raters",
            "ratings",
            "Krippendorff α",
            "Fleiss κ",
            "mean Cohen κ",
            "agreement",
        ],
        [
            [
                name,
                report.items,
                report.raters,
                report.ratings,
                brief(report.krippendorff_alpha),
                brief(report.fleiss_kappa),
                brief(report.cohen_kappa),
                report.percent_agreement.value,
            ]
            for name, report in reports.items()
        ],
        title=f"Agreement by {found.group_field}",
    )
    for name, report in reports.items():
        out.print(f"{name}: {report.interpretation}", markup=False, highlight=False, soft_wrap=True)
    say("pairs, raters and all other statistics of each group: --json")


def _show_one(report: AgreementReport) -> None:
    two = report.raters == 2
    unequal = "" if report.ratings_per_item else "unequal ratings per item: Gwet's generalisation"
    rows = [
        row(f"Krippendorff α ({report.level})", report.krippendorff_alpha),
        row("Cohen κ", report.cohen_kappa, "" if two else "mean over pairs of raters"),
        row("weighted κ", report.weighted_kappa, "quadratic weights"),
        row("Fleiss κ", report.fleiss_kappa, unequal),
        row("Gwet AC1", report.gwet_ac1, "less moved by one frequent label"),
        row("pairs that agree", report.percent_agreement, "not corrected for chance"),
        row(
            "human ceiling, accuracy",
            report.human_ceiling.accuracy,
            "one rater against the majority of the rest",
        ),
        row("human ceiling, κ", report.human_ceiling.kappa),
    ]
    baseline = report.majority_baseline
    if baseline.share is not None:
        rows.append(["majority baseline", baseline.share, None, None, f"always {baseline.label}"])
    print_table(
        ["statistic", "value", "low", "high", "note"],
        rows,
        title=f"{report.ratings:,} ratings of {report.items:,} items by {report.raters} raters, "
        f"{report.items_compared:,} items with two or more",
    )
    if report.raters > 1:
        _show_raters(report.rater_profiles)
        print_pairs(report.pairs, who="rater")
    out.print(report.interpretation, markup=False, highlight=False, soft_wrap=True)


def _show_raters(profiles: list[RaterProfile]) -> None:
    ordered = any(p.leniency.value is not None for p in profiles)
    timed = any(p.drift_agreement.value is not None for p in profiles)
    columns = ["rater", "ratings", "shared", "agrees with rest", "α without"]
    rows: list[list[Any]] = [
        [p.rater, p.ratings, p.shared, brief(p.agreement_with_rest), p.alpha_without] for p in profiles
    ]
    for wanted, name, field in (
        (ordered, "leniency", "leniency"),
        (timed, "agreement, later − earlier", "drift_agreement"),
        (timed and ordered, "leniency, later − earlier", "drift_leniency"),
    ):
        if wanted:
            columns.append(name)
            rows = [[*cells, brief(getattr(p, field))] for cells, p in zip(rows, profiles, strict=True)]
    print_table(columns, rows, title="Raters")
