"""Pairwise judging in figures: bias per judge, agreement between judges, who wins.

Judges (epochs) are never mixed in one figure; a mean over judges is the mean of their figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation.agreement.bootstrap import Bootstrap, ratio
from curation.agreement.estimate import Estimate
from curation.agreement.ratings import Level, Ratings
from curation.agreement.report import AgreementReport, summarise
from curation.judge.bias import LengthBias, PositionBias, length_bias, position_bias, questions, total
from curation.judge.pairwise_rows import PairVerdict


@dataclass(frozen=True)
class WinRate:
    """One model in the eyes of one judge; only consistent verdicts count."""

    wins: int
    losses: int
    ties: int
    win_rate: Estimate
    """(wins + ties/2) / (wins + losses + ties)"""


@dataclass(frozen=True)
class PairwiseJudge:
    """One judge (one epoch)."""

    position: PositionBias
    length: LengthBias | None
    """None when no lengths are known"""
    inconsistency_by_category: Mapping[str, Estimate]
    win_rates: Mapping[str, WinRate]
    """by model, best first"""


@dataclass(frozen=True)
class PairwiseReport:
    """All judges of one file."""

    comparisons: int
    judges: Mapping[str, PairwiseJudge]
    mean_inconsistency_rate: float | None
    """mean of the judges' rates"""
    agreement: AgreementReport | None
    """of judges on the winner (a model or a tie) where each is consistent; None for one judge"""


def pairwise_report(verdicts: Sequence[PairVerdict], bootstrap: Bootstrap | None = None) -> PairwiseReport:
    """Statistics of pairwise verdicts of any number of judges."""
    by_judge: dict[str, list[PairVerdict]] = {}
    for verdict in verdicts:
        by_judge.setdefault(verdict.judge, []).append(verdict)
    judges = {name: _judge(by_judge[name], bootstrap) for name in sorted(by_judge)}
    rates = [rate for j in judges.values() if (rate := j.position.inconsistency_rate.value) is not None]
    return PairwiseReport(
        comparisons=len({v.item for v in verdicts}),
        judges=judges,
        mean_inconsistency_rate=sum(rates) / len(rates) if rates else None,
        agreement=_agreement(verdicts, bootstrap) if len(judges) > 1 else None,
    )


def _judge(verdicts: Sequence[PairVerdict], bootstrap: Bootstrap | None) -> PairwiseJudge:
    categories = sorted({v.category for v in verdicts if v.category is not None})
    return PairwiseJudge(
        position=position_bias(verdicts, bootstrap),
        length=length_bias(verdicts, bootstrap),
        inconsistency_by_category={
            name: position_bias([v for v in verdicts if v.category == name], bootstrap).inconsistency_rate
            for name in categories
        },
        win_rates=_win_rates(verdicts, bootstrap),
    )


def _win_rates(verdicts: Sequence[PairVerdict], bootstrap: Bootstrap | None) -> dict[str, WinRate]:
    found = {}
    for model in sorted({m for v in verdicts for m in (v.model_a, v.model_b)}):
        mine = [v for v in verdicts if model in (v.model_a, v.model_b) and v.winner in ("a", "b", "tie")]
        won = [_points(v, model) for v in mine]
        group = questions(mine)
        found[model] = WinRate(
            wins=won.count(1.0),
            losses=won.count(0.0),
            ties=won.count(0.5),
            win_rate=ratio(
                total(group, mine, lambda v, model=model: _points(v, model)),  # type: ignore[misc]
                total(group, mine, lambda _: 1.0),
                bootstrap,
                undefined="no consistent verdict",
            ),
        )
    return dict(sorted(found.items(), key=lambda m: -(m[1].win_rate.value or 0.0)))


def _points(verdict: PairVerdict, model: str) -> float:
    if verdict.winner == "tie":
        return 0.5
    return float((verdict.winner == "a") == (verdict.model_a == model))


def _agreement(verdicts: Sequence[PairVerdict], bootstrap: Bootstrap | None) -> AgreementReport:
    """Items are comparisons, raters are judges; an inconsistent verdict or an error is a gap.

    Intervals draw comparisons, not questions, and are a little narrow where models meet on every question.
    """
    rows = [(v.item, v.judge, v.winner if v.winner in ("a", "b", "tie") else None) for v in verdicts]
    return summarise(Ratings.from_rows(rows), Level.NOMINAL, bootstrap)
