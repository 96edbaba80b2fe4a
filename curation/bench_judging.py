"""Judging through the verdict cache with several judges: one per feature, panels by their members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from curation.confirm import judge_all, known_verdicts, store_verdicts
from curation.judge.base import Judge
from curation.judge.bench import Bench
from curation.judge.pairwise import Comparer, Comparison, Preference
from curation.judge.panel import PanelComparer, PanelJudge
from curation.judge.panel_stats import Vote
from curation.judge.verdicts import JudgeItem, Judgment
from curation.judging_pairs import compare_all
from sinks.lake import Lake

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass
class Judged:
    """Judgments in the order of the items, and what the members of panels said."""

    judgments: list[Judgment] = field(default_factory=list)
    votes: list[Vote] = field(default_factory=list)

    def add(self, other: Judged) -> None:
        """Count further items."""
        self.judgments += other.judgments
        self.votes += other.votes


def judge_by_feature(
    lake: Lake,
    bench: Bench,
    items: Sequence[JudgeItem],
    features: Sequence[str],
    *,
    judged_at_us: int,
    progress: Progress | None = None,
) -> Judged:
    """A judgment per item by the judge of its feature, in order; new verdicts are stored as they come.

    `features`: the feature of each item. Raises `JudgeRefused` as `judge_all` does.
    """
    groups: dict[str, list[int]] = {}
    judges: dict[str, Judge] = {}
    for n, feature in enumerate(features):
        judge = bench.judge_for(feature)
        judges[judge.epoch.id] = judge
        groups.setdefault(judge.epoch.id, []).append(n)
    found: dict[int, Judgment] = {}
    votes: list[Vote] = []
    for epoch, places in groups.items():
        told = _told(progress, len(found), len(items))
        mine = [items[n] for n in places]
        judged = _judged(lake, judges[epoch], mine, judged_at_us=judged_at_us, progress=told)
        found |= dict(zip(places, judged.judgments, strict=True))
        votes += judged.votes
    return Judged([found[n] for n in range(len(items))], votes)


def _judged(
    lake: Lake, judge: Judge, items: Sequence[JudgeItem], *, judged_at_us: int, progress: Progress | None
) -> Judged:
    if not isinstance(judge, PanelJudge):
        return Judged(judge_all(lake, judge, items, judged_at_us=judged_at_us, progress=progress))
    # Each member has its own cache, so a member that was down is all that is asked again.
    rounds = [judge_all(lake, m, items, judged_at_us=judged_at_us, progress=progress) for m in judge.members]
    judgments = [judge.combined(votes) for votes in zip(*rounds, strict=True)]
    _store_combined(lake, judge, judgments, judged_at_us)
    votes = [
        Vote(judge.epoch.id, member.epoch.name, j.content_hash, j.verdict.verdict if j.verdict else None)
        for member, judged in zip(judge.members, rounds, strict=True)
        for j in judged
    ]
    return Judged(judgments, list(dict.fromkeys(votes)))


def _store_combined(lake: Lake, panel: PanelJudge, judgments: Sequence[Judgment], judged_at_us: int) -> None:
    """Leave the panel's verdicts in the table too, for whoever asks why; they cost nothing of their own."""
    hashes = [j.content_hash for j in judgments if j.verdict is not None]
    known = known_verdicts(lake, panel.epoch.id, hashes)
    fresh = [
        replace(j, verdict=msgspec.structs.replace(j.verdict, input_tokens=0, output_tokens=0, cost_usd=0.0))
        for j in judgments
        if j.verdict is not None and j.content_hash not in known
    ]
    store_verdicts(lake, fresh, judge_name=panel.epoch.name, judged_at_us=judged_at_us)


def _told(progress: Progress | None, before: int, total: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(before + done, total)


def compare_by_feature(
    lake: Lake,
    bench: Bench,
    comparisons: Sequence[Comparison],
    features: Sequence[str],
    *,
    judged_at_us: int,
    progress: Progress | None = None,
) -> list[Preference | None]:
    """A preference per comparison by the comparer of its feature, in order; None where there is nobody."""
    groups: dict[str, list[int]] = {}
    comparers: dict[str, Comparer | PanelComparer] = {}
    for n, feature in enumerate(features):
        if (comparer := bench.compare_for(feature)) is not None:
            comparers[comparer.epoch.id] = comparer
            groups.setdefault(comparer.epoch.id, []).append(n)
    found: dict[int, Preference] = {}
    for epoch, places in groups.items():
        told = _told(progress, len(found), len(comparisons))
        mine = [comparisons[n] for n in places]
        judged = _compared(lake, comparers[epoch], mine, judged_at_us=judged_at_us, progress=told)
        found |= dict(zip(places, judged, strict=True))
    return [found.get(n) for n in range(len(comparisons))]


def _compared(
    lake: Lake,
    comparer: Comparer | PanelComparer,
    comparisons: Sequence[Comparison],
    *,
    judged_at_us: int,
    progress: Progress | None,
) -> list[Preference]:
    def ask(member: Comparer) -> list[Preference]:
        return compare_all(lake, member, comparisons, judged_at_us=judged_at_us, progress=progress)

    if not isinstance(comparer, PanelComparer):
        return ask(comparer)
    rounds = [ask(member) for member in comparer.members]
    return [comparer.combined(votes) for votes in zip(*rounds, strict=True)]
