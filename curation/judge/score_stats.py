"""Scores that judges gave single answers: means, what a reference answer changes, agreement.

A mean over judges is the mean of their means, so that a judge with more valid scores weighs no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from contracts.errors import LabelsInvalid
from curation.agreement.bootstrap import Bootstrap, Floats, estimate
from curation.agreement.estimate import Estimate
from curation.agreement.fields import find, pick, required, turn_of
from curation.agreement.ratings import Level, Ratings
from curation.agreement.report import AgreementReport, summarise
from curation.judge.pairwise_rows import JUDGE, QUESTION

MISSING: Final = -1.0
"""What MT-Bench tools write for a score that did not parse."""

REFERENCE: Final = "_ref"
"""Ending of the mode in which the judge saw a reference answer."""

_TURNS: Final = "score_turn"


@dataclass(frozen=True)
class Score:
    """One score of one answer; None when there is none."""

    judge: str
    mode: str
    question: str
    turn: int
    model: str
    category: str | None
    score: float | None


@dataclass(frozen=True)
class JudgeScores:
    """Scores of one judge in one mode."""

    mean: Estimate
    valid_scores: int
    missing_scores: int


@dataclass(frozen=True)
class ModeScores:
    """All judges in one mode."""

    judges: Mapping[str, JudgeScores]
    judge_mean: float | None
    by_model: Mapping[str, Mapping[str, float | None]]
    """model → judge → mean score, and `judge_mean`"""
    by_category: Mapping[str, Mapping[str, float | None]]
    agreement: AgreementReport | None
    """of judges on the same answers, ordinal; None for one judge"""


@dataclass(frozen=True)
class ReferenceEffect:
    """One judge on the same answers without and with a reference answer."""

    paired: int
    standard_mean: float | None
    reference_mean: float | None
    delta: Estimate
    """reference minus standard"""


@dataclass(frozen=True)
class ScoreReport:
    """All scores of one file."""

    modes: Mapping[str, ModeScores]
    reference: Mapping[str, Mapping[str, ReferenceEffect]]
    """mode (without its reference) → judge → effect; empty when no mode has a reference"""
    reference_mean: Mapping[str, Mapping[str, float | None]]
    """mode → means over judges: standard_mean, reference_mean, delta"""


def read_scores(records: Sequence[Mapping[str, Any]], *, lines: Sequence[int]) -> list[Score]:
    """Read `judge_id, question_id, model_id` with `score_turn1, score_turn2, …` or `score` and `turn`.

    `mode` and `category` are optional. A score of null is missing, and −1 is too unless other scores are
    below zero. Raises `LabelsInvalid` naming the line.
    """
    if not records:
        raise LabelsInvalid("there are no scores", hint="Each line is one answer scored by one judge.")
    names = {name for record in records for name in record}
    judge = pick(names, JUDGE, given=None, what="judge", option="one of these")
    question = pick(names, QUESTION, given=None, what="question", option="one of these")
    model = pick(names, ("model_id", "model"), given=None, what="model", option="one of these")
    columns = sorted(n for n in names if n.startswith(_TURNS) and n.removeprefix(_TURNS).isdigit())
    single = find(names, ("score", "rating"), given=None, option="")
    if not columns and single is None:
        raise LabelsInvalid("no scores: neither score nor score_turn1 is there", hint="Name the field score.")
    found: list[Score] = []
    seen: dict[tuple[Any, ...], int] = {}
    for record, line in zip(records, lines, strict=True):
        who, what, whose = (required(record, name, line) for name in (judge, question, model))
        turns = {int(c.removeprefix(_TURNS)): record.get(c) for c in columns}
        if not columns and single is not None:
            turns = {turn_of(record.get("turn"), line): record.get(single)}
        for turn, value in turns.items():
            score = Score(
                judge=who,
                mode=str(record.get("mode") or "score"),
                question=what,
                turn=turn,
                model=whose,
                category=None if record.get("category") is None else str(record["category"]),
                score=_score(value, line),
            )
            key = (score.judge, score.mode, score.question, turn, score.model)
            if key in seen:
                raise LabelsInvalid(
                    f"line {line} repeats line {seen[key]}: {who} on question {what}, turn {turn}, {whose}",
                    hint="Keep one score per judge, mode, answer and turn.",
                )
            seen[key] = line
            found.append(score)
    below = {s.score for s in found if s.score is not None and s.score < 0}
    if below == {MISSING}:
        found = [s if s.score != MISSING else replace(s, score=None) for s in found]
    return found


def score_report(scores: Sequence[Score], bootstrap: Bootstrap | None = None) -> ScoreReport:
    """Statistics of the scores of any number of judges and modes."""
    modes = sorted({s.mode for s in scores})
    effects = {mode: _reference(scores, mode, bootstrap) for mode in modes if mode + REFERENCE in modes}
    return ScoreReport(
        modes={mode: _mode([s for s in scores if s.mode == mode], bootstrap) for mode in modes},
        reference=effects,
        reference_mean={
            mode: {
                "standard_mean": _mean([e.standard_mean for e in found.values()]),
                "reference_mean": _mean([e.reference_mean for e in found.values()]),
                "delta": _mean([e.delta.value for e in found.values()]),
            }
            for mode, found in effects.items()
        },
    )


def _mode(scores: Sequence[Score], bootstrap: Bootstrap | None) -> ModeScores:
    names = sorted({s.judge for s in scores})
    judges = {}
    for name in names:
        mine = [s for s in scores if s.judge == name]
        valid = [s for s in mine if s.score is not None]
        judges[name] = JudgeScores(
            mean=_clustered([(s.question, s.score or 0.0) for s in valid], bootstrap),
            valid_scores=len(valid),
            missing_scores=len(mine) - len(valid),
        )
    rows = [((s.question, s.turn, s.model), s.judge, s.score) for s in scores]
    return ModeScores(
        judges=judges,
        judge_mean=_mean([j.mean.value for j in judges.values()]),
        by_model=_table(scores, names, lambda s: s.model),
        by_category=_table(scores, names, lambda s: s.category),
        agreement=summarise(Ratings.from_rows(rows), Level.ORDINAL, bootstrap) if len(names) > 1 else None,
    )


def _table(
    scores: Sequence[Score], judges: Sequence[str], by: Callable[[Score], str | None]
) -> dict[str, dict[str, float | None]]:
    cells: dict[tuple[str, str], list[float | None]] = {}
    for s in scores:
        name = by(s)
        if name is not None and s.score is not None:
            cells.setdefault((name, s.judge), []).append(s.score)
    found: dict[str, dict[str, float | None]] = {}
    for name in sorted({name for name, _ in cells}):
        row = {judge: _mean(cells.get((name, judge), [])) for judge in judges}
        found[name] = {**row, "judge_mean": _mean(list(row.values()))}
    return found


def _reference(scores: Sequence[Score], mode: str, bootstrap: Bootstrap | None) -> dict[str, ReferenceEffect]:
    def of(which: str) -> dict[tuple[str, str, int, str], float]:
        return {
            (s.judge, s.question, s.turn, s.model): s.score
            for s in scores
            if s.mode == which and s.score is not None
        }

    standard, reference = of(mode), of(mode + REFERENCE)
    both = sorted(standard.keys() & reference.keys())
    found = {}
    for judge in sorted({s.judge for s in scores if s.mode == mode + REFERENCE}):
        mine = [key for key in both if key[0] == judge]
        found[judge] = ReferenceEffect(
            paired=len(mine),
            standard_mean=_mean([standard[key] for key in mine]),
            reference_mean=_mean([reference[key] for key in mine]),
            delta=_clustered([(key[1], reference[key] - standard[key]) for key in mine], bootstrap),
        )
    return found


def _clustered(values: Sequence[tuple[str, float]], bootstrap: Bootstrap | None) -> Estimate:
    """Mean over all values; the interval draws questions."""
    at: dict[str, int] = {}
    group = np.array([at.setdefault(question, len(at)) for question, _ in values], dtype=np.int64)
    sums = np.bincount(group, weights=np.array([value for _, value in values])) if values else np.zeros(0)
    sizes = np.bincount(group).astype(np.float64) if values else np.zeros(0)

    def of(drawn: Floats) -> Floats:
        result: Floats = (drawn @ sums) / (drawn @ sizes)
        return result

    return estimate(of, np.ones(len(sums), dtype=np.int64), bootstrap, undefined="there are no scores")


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _score(value: Any, line: int) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        return number if np.isfinite(number) else None
    raise LabelsInvalid(f"line {line}: a score is not a number", hint="Write null where there is no score.")
