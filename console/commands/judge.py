"""`tailrace judge …`: judges as instruments that are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from console.commands.judge_anchors import app as anchors_app
from console.commands.judge_anchors import drift
from console.commands.judge_bias import bias, position_words
from console.commands.judge_calibrate import calibrate
from console.commands.judge_epochs import epochs
from console.commands.judge_tasks import label, tasks
from console.commands.judge_try import try_
from console.estimates import Confidence, Resamples, Seed, brief, made, print_pairs
from console.options import Json
from console.records import read_records
from console.terminal import out, print_json, print_table, progress_bar, say
from curation.agreement.bootstrap import Bootstrap
from curation.judge.pairwise_rows import answer_lengths, read_pairwise
from curation.judge.pairwise_stats import PairwiseJudge, PairwiseReport, pairwise_report
from curation.judge.score_stats import ModeScores, ScoreReport, read_scores, score_report

HELP = "Calibrate judges, see them drift, label what they leave to people; agreement, consistency, bias."
app = typer.Typer(help=HELP, no_args_is_help=True)
app.command("bias")(bias)
app.command("calibrate")(calibrate)
app.command("epochs")(epochs)
app.command("tasks")(tasks)
app.command("label")(label)
app.command("drift")(drift)
app.command("try")(try_)
app.add_typer(anchors_app, name="anchors")


@app.callback()
def group() -> None:
    """Calibrate judges, see them drift, label what they leave to people; agreement, consistency, bias."""


@app.command("agreement")
def agreement(
    pairwise: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Verdicts in both orders: judge_id, question_id, model_a, model_b, winner_ab, winner_ba "
            "(A: shown first, B, tie, error); turn, category, length_a, length_b if known.",
            show_default=False,
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Scores: judge_id, question_id, model_id, score_turn1 … or score; mode, category if known.",
            show_default=False,
        ),
    ] = None,
    answers: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Answers in FastChat's layout, for length bias; may be given several times.",
            show_default=False,
        ),
    ] = None,
    bootstrap: Resamples = 1_000,
    seed: Seed = 0,
    confidence: Confidence = 0.95,
    as_json: Json = False,
) -> None:
    """Say how consistent judges are, what they are biased by, and how far they agree.

    Every judge (epoch) is reported by itself. Only verdicts that are the same in both orders count as wins.
    Intervals of rates and means draw whole questions. FastChat's own judgment files are read too.

    With `--json`: `pairwise.judges.<judge>` (`inconsistency_rate`, `inconsistent`, `valid`, `errors`,
    `biased_to_first`, `biased_to_second`, `first_share`, `first_win_rate`, `length`, `win_rates`,
    `inconsistency_by_category`); `pairwise.mean_inconsistency_rate`; `pairwise.agreement`
    (as `tailrace agreement --json`); `scores.modes.<mode>` (`judges.<judge>.mean`,
    `judge_mean`, `by_model`, `by_category`, `agreement`); `scores.reference.<mode>.<judge>` (`delta`, …).
    Every statistic is `{value, low, high, n, method, reason}`.
    """
    if pairwise is None and scores is None:
        raise typer.BadParameter("give --pairwise FILE, --scores FILE or both")
    if answers and pairwise is None:
        raise typer.BadParameter("--answers needs --pairwise FILE")
    resampling = Bootstrap(resamples=bootstrap, seed=seed, confidence=confidence)
    value: dict[str, Any] = {"bootstrap": made(resampling)}
    verdicts: PairwiseReport | None = None
    rated: ScoreReport | None = None
    mismatches = 0
    with progress_bar(quiet=as_json) as progress:
        task = progress.add_task("resampling", total=(pairwise is not None) + (scores is not None))
        if pairwise is not None:
            lengths: dict[tuple[str, str, int], int] = {}
            for file in answers or ():
                records = read_records(file)
                lengths.update(answer_lengths(records.rows, lines=records.lines))
            records = read_records(pairwise)
            rows = read_pairwise(records.rows, lines=records.lines, lengths=lengths)
            mismatches = rows.winner_mismatches
            verdicts = pairwise_report(rows.verdicts, resampling)
            value["pairwise"] = _pairwise_value(verdicts, mismatches)
            progress.advance(task)
        if scores is not None:
            records = read_records(scores)
            rated = score_report(read_scores(records.rows, lines=records.lines), resampling)
            value["scores"] = rated
            progress.advance(task)
    if as_json:
        print_json(value)
        return
    if mismatches:
        say(f"{mismatches:,} records state another winner than their two orders give; the orders count")
    if verdicts is not None:
        _show_pairwise(verdicts)
    if rated is not None:
        _show_scores(rated)


def _pairwise_value(report: PairwiseReport, mismatches: int) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(report)
    value["judges"] = {name: {**judge.pop("position"), **judge} for name, judge in value["judges"].items()}
    return {**value, "winner_mismatches": mismatches}


def _show_pairwise(report: PairwiseReport) -> None:
    judges = report.judges
    print_table(
        [
            "judge",
            "valid",
            "errors",
            "ties",
            "inconsistent",
            "inconsistency rate",
            "first in both",
            "second in both",
        ],
        [
            [
                name,
                j.position.valid,
                j.position.errors,
                j.position.consistent_ties,
                j.position.inconsistent,
                brief(j.position.inconsistency_rate),
                brief(j.position.biased_to_first),
                brief(j.position.biased_to_second),
            ]
            for name, j in judges.items()
        ],
        title=f"Swapping the answers, {report.comparisons:,} comparisons",
    )
    if report.mean_inconsistency_rate is not None:
        out.print(
            f"mean inconsistency rate of the judges: {report.mean_inconsistency_rate:.2%}", highlight=False
        )
    for name, judge in judges.items():
        out.print(f"{name}: {position_words(judge.position.first_share)}", markup=False, highlight=False)
    if any(j.length is not None for j in judges.values()):
        print_table(
            ["judge", "comparisons", "longer wins", "correlation", "within pairs of models"],
            [
                [
                    name,
                    j.length.comparisons,
                    brief(j.length.longer_wins),
                    brief(j.length.correlation),
                    brief(j.length.correlation_within_pairs),
                ]
                for name, j in judges.items()
                if j.length is not None
            ],
            title="Winning and length (a longer answer may simply be better)",
        )
    models = sorted({model for j in judges.values() for model in j.win_rates})
    print_table(
        ["model", *judges],
        [[model, *(_rate(j, model) for j in judges.values())] for model in models],
        title="Win rate over consistent verdicts, a tie is half (--json has intervals)",
    )
    if report.agreement is not None:
        print_pairs(report.agreement.pairs, who="judge")
        out.print(
            f"winners: {report.agreement.interpretation}", markup=False, highlight=False, soft_wrap=True
        )


def _rate(judge: PairwiseJudge, model: str) -> float | None:
    return judge.win_rates[model].win_rate.value if model in judge.win_rates else None


def _show_scores(report: ScoreReport) -> None:
    for mode, scores in report.modes.items():
        _show_mode(mode, scores)
    for mode, effects in report.reference.items():
        print_table(
            ["judge", "paired", "mean without", "mean with", "difference"],
            [
                [name, e.paired, e.standard_mean, e.reference_mean, brief(e.delta)]
                for name, e in effects.items()
            ],
            title=f"{mode}: the same answers without and with a reference answer",
        )


def _show_mode(mode: str, scores: ModeScores) -> None:
    print_table(
        ["judge", "mean score", "valid", "missing"],
        [
            [name, brief(judge.mean), judge.valid_scores, judge.missing_scores]
            for name, judge in scores.judges.items()
        ],
        title=f"{mode}: scores",
    )
    for what, table in (("model", scores.by_model), ("category", scores.by_category)):
        if table:
            print_table(
                [what, *scores.judges, "mean of judges"],
                [[name, *means.values()] for name, means in table.items()],
                title=f"{mode}: mean score by {what}",
            )
    if scores.agreement is not None:
        print_pairs(scores.agreement.pairs, who="judge")
        out.print(f"{mode}: {scores.agreement.interpretation}", markup=False, highlight=False, soft_wrap=True)
