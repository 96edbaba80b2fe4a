"""A fit of the score in the terminal."""

from __future__ import annotations

from typing import Final

from console.report.reliability import lines
from console.terminal import out, print_table, say
from curation.fitting.fit import FitReport
from curation.fitting.regression import Coefficient

MAX_THIN: Final = 8


def show_fit(report: FitReport, coverage_floor: float) -> None:
    """Print what was fitted to what, how good it is, its weights, and who is not covered."""
    train, held_out = report.train, report.held_out
    out.print(
        f"[bold]{report.fitted.model.version}[/] from {report.labels.source}: fitted on "
        f"{len(train.failed):,} requests ({train.failed.mean():.1%} failed), measured on "
        f"{len(held_out.failed):,} of other users; evidence until {report.until}",
        highlight=False,
        soft_wrap=True,
    )
    for reason, count in (report.labels.set_aside or {}).items():
        say(f"{count:,} labels set aside: {reason}")
    print_table(
        ["on held-out users", "AUC", "95 % from", "to", "average precision", "Brier", "calibration error"],
        [
            [name, m.auc, m.auc_low, m.auc_high, m.average_precision, m.brier, m.ece]
            for name, m in report.measures.items()
        ],
    )
    print_table(
        ["requests", "score", "failed", "share that failed (│ the score)"],
        lines(report.measures["fitted"].bins),
        title="Reliability",
    )
    print_table(
        ["evidence", "prior", "fitted", "95 % from", "to", "labelled requests"],
        [_row(each) for each in report.fitted.coefficients],
        title=f"Weights, log-odds (the priors count as {report.fitted.strength:g} labels each)",
    )
    if report.labels.excluded:
        say(
            f"{', '.join(report.labels.excluded)}: what the labels are made of takes no part; "
            "its weight stays that of the priors"
        )
    _show_coverage(report, coverage_floor)


def _row(each: Coefficient) -> list[str]:
    seen = each.rows > 0
    return [
        each.term.replace("_", " "),
        f"{each.prior:.2f}",
        f"{each.fitted:.2f}" if seen else "prior",
        f"{each.low:.2f}" if seen else "–",
        f"{each.high:.2f}" if seen else "–",
        f"{each.rows:,}",
    ]


def _show_coverage(report: FitReport, floor: float) -> None:
    rows = [
        [each.by, each.value, each.requests, each.labelled, f"{each.coverage:.1%}"]
        for each in report.segments
        if each.by in ("feature", "model", "seen")
    ]
    print_table(["by", "value", "requests", "labelled", "coverage"], rows, title="Coverage by segment")
    thin = report.thin(floor)
    for each in thin[:MAX_THIN]:
        say(
            f"warning: {each.coverage:.1%} of {each.by} {each.value} is labelled: "
            "the score is not known to hold there"
        )
    if len(thin) > MAX_THIN:
        say(f"warning: and {len(thin) - MAX_THIN} more segments under {floor:.0%} (--json lists them)")
