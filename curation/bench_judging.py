"""Judging through the verdict cache with several judges: one per feature, panels by their members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from curation.judge.base import Judge
from curation.judge.bench import Bench
from curation.judge.pairwise import Comparer, Comparison, Preference
from curation.judge.panel import PanelComparer, PanelJudge
from curation.judge.panel_stats import Vote
from curation.judge.verdicts import JudgeItem, Judgment, Spend
from curation.judging import JudgmentRows, judge_all
from curation.judging_pairs import compare_all
from curation.replay import Replay
from curation.verdict_memory import Memory, Progress


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
    memory: Memory | Replay,
    bench: Bench,
    items: Sequence[JudgeItem],
    features: Sequence[str],
    *,
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
        judged = _judged(memory, judges[epoch], mine, told)
        found |= dict(zip(places, judged.judgments, strict=True))
        votes += judged.votes
    return Judged([found[n] for n in range(len(items))], votes)


def _judged(
    memory: Memory | Replay, judge: Judge, items: Sequence[JudgeItem], progress: Progress | None
) -> Judged:
    def ask(member: Judge) -> list[Judgment]:
        if isinstance(memory, Replay):
            return memory.judgments(member, items)
        judgments = judge_all(
            memory.lake,
            member,
            items,
            judged_at_us=memory.judged_at_us,
            origin=memory.origin,
            journal=memory.journal,
            index=memory.index,
            progress=progress,
        )
        for each in judgments:
            if each.verdict is None:
                memory.leave(each.epoch, each.content_hash, each.request_id, each.reason)
        return judgments

    if not isinstance(judge, PanelJudge):
        return Judged(ask(judge))
    # Each member has its own cache, so a member that was down is all that is asked again.
    rounds = [ask(member) for member in judge.members]
    judgments = [judge.combined(votes) for votes in zip(*rounds, strict=True)]
    if isinstance(memory, Memory):
        _store_combined(memory, judge, judgments)
    votes = [
        Vote(judge.epoch.id, member.epoch.name, j.content_hash, j.verdict.verdict if j.verdict else None)
        for member, judged in zip(judge.members, rounds, strict=True)
        for j in judged
    ]
    return Judged(judgments, list(dict.fromkeys(votes)))


def _store_combined(memory: Memory, panel: PanelJudge, judgments: Sequence[Judgment]) -> None:
    """Leave the panel's verdicts in the table too, for whoever asks why; they cost nothing of their own."""
    row_of = JudgmentRows(panel.epoch.name, memory.judged_at_us, memory.origin)
    free = {"input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}
    memory.store(
        [
            row_of(replace(j, spent=Spend()), msgspec.structs.replace(j.verdict, **free))
            for j in judgments
            if j.verdict is not None
        ]
    )


def _told(progress: Progress | None, before: int, total: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(before + done, total)


def compare_by_feature(
    memory: Memory | Replay,
    bench: Bench,
    comparisons: Sequence[Comparison],
    features: Sequence[str],
    *,
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
        judged = _compared(memory, comparers[epoch], mine, told)
        found |= dict(zip(places, judged, strict=True))
    return [found.get(n) for n in range(len(comparisons))]


def _compared(
    memory: Memory | Replay,
    comparer: Comparer | PanelComparer,
    comparisons: Sequence[Comparison],
    progress: Progress | None,
) -> list[Preference]:
    def ask(member: Comparer) -> list[Preference]:
        if isinstance(memory, Replay):
            return memory.preferences(member, comparisons)
        return compare_all(memory, member, comparisons, progress=progress)

    if not isinstance(comparer, PanelComparer):
        return ask(comparer)
    rounds = [ask(member) for member in comparer.members]
    return [comparer.combined(votes) for votes in zip(*rounds, strict=True)]
