"""A panel of judges: every member looks at everything, and only what all of them say is decided.

The rule is unanimity with the quorum of all: members that differ, or one that is unsure, leave the item to
people (`panel_split`); a member without a verdict leaves it unjudged, so that an outage never makes the rest
decide what the panel would not have decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median_low
from typing import Final

import msgspec

from curation.judge.base import Judge
from curation.judge.epoch import JudgeEpoch
from curation.judge.pairwise import Comparer, Preference, margin_of
from curation.judge.verdicts import FailureKind, JudgeItem, Judgment, Spend, Verdict

PANEL_SPLIT: Final = "panel_split"
RULE: Final = "unanimous"


def panel_epoch(members: Sequence[JudgeEpoch]) -> JudgeEpoch:
    """The epoch of a panel: a function of its members' epochs and of the rule."""
    first = members[0]
    return JudgeEpoch(
        kind="panel",
        task=first.task,
        model="+".join(member.model for member in members),
        rubric=first.rubric,
        rubric_hash=first.rubric_hash,
        parameters={"rule": RULE, "members": ",".join(member.id for member in members)},
    )


class PanelJudge:
    """Several pointwise judges as one. At least two, of different epochs."""

    def __init__(self, members: Sequence[Judge]) -> None:
        if len({member.epoch.id for member in members}) < max(2, len(members)):
            raise ValueError("a panel needs two judges or more, of different epochs")
        self.members = tuple(members)
        self.epoch = panel_epoch([member.epoch for member in members])

    @property
    def at_once(self) -> int | None:
        """Most items to hand over in one call of `judge`: what every member takes."""
        return min((m.at_once for m in self.members if m.at_once is not None), default=None)

    def judge(
        self, items: Sequence[JudgeItem], *, on_judgment: Callable[[Judgment], None] | None = None
    ) -> list[Judgment]:
        """One judgment per item in the same order, see `Judge`; `bench_judging` has a cache."""
        rounds = [member.judge(items) for member in self.members]
        judgments = [self.combined(votes) for votes in zip(*rounds, strict=True)]
        if on_judgment is not None:
            for judgment in {j.content_hash: j for j in reversed(judgments)}.values():
                on_judgment(judgment)
        return judgments

    def combined(self, votes: Sequence[Judgment]) -> Judgment:
        """What the members' judgments of one item, in the members' order, come to.

        A unanimous verdict has the mean confidence, the most frequent kind and the median severity (the
        earlier member, the lower value on a draw), and the rationale and improvement of the first member
        that wrote one; `improved_by` says who. Tokens and money are sums.
        """
        first = votes[0]
        names = [member.epoch.name for member in self.members]
        found = Judgment(
            request_id=first.request_id,
            content_hash=first.content_hash,
            epoch=self.epoch.id,
            verdict=first.verdict,
            reason=first.reason,
            spent=sum((vote.spent for vote in votes), Spend()),
        )
        for name, vote in zip(names, votes, strict=True):
            if vote.verdict is None:
                detail = f"{name}: {vote.detail}" if vote.detail else name
                return replace(found, verdict=None, reason=vote.reason, detail=detail)
        verdicts = [vote.verdict for vote in votes if vote.verdict is not None]
        words = [verdict.verdict for verdict in verdicts]
        if len(set(words)) > 1:
            said = ", ".join(f"{name} {word}" for name, word in zip(names, words, strict=True))
            split = _paid(Verdict(verdict="unsure", confidence=0.0, rationale=said), verdicts)
            return replace(found, verdict=split, detail=PANEL_SPLIT)
        writer = next((n for n, verdict in enumerate(verdicts) if verdict.improved_response), None)
        return replace(
            found,
            verdict=_agreed(verdicts, writer),
            improved_by="" if writer is None else self.members[writer].epoch.model,
        )


def _agreed(verdicts: Sequence[Verdict], writer: int | None) -> Verdict:
    kinds = Counter[FailureKind](v.failure_kind for v in verdicts if v.failure_kind is not None)
    severities = [v.severity for v in verdicts if v.severity is not None]
    verdict = Verdict(
        verdict=verdicts[0].verdict,
        confidence=sum(v.confidence for v in verdicts) / len(verdicts),
        failure_kind=kinds.most_common(1)[0][0] if kinds else None,
        severity=median_low(severities) if severities else None,
        rationale=next((v.rationale for v in verdicts if v.rationale), None),
        improved_response=None if writer is None else verdicts[writer].improved_response,
    )
    return _paid(verdict, verdicts)


def _paid(verdict: Verdict, members: Sequence[Verdict]) -> Verdict:
    return msgspec.structs.replace(
        verdict,
        input_tokens=sum(v.input_tokens for v in members),
        output_tokens=sum(v.output_tokens for v in members),
        cost_usd=sum(v.cost_usd for v in members),
    )


class PanelComparer:
    """Several pairwise judges as one; every member judges both orders."""

    def __init__(self, members: Sequence[Comparer]) -> None:
        if len({member.epoch.id for member in members}) < max(2, len(members)):
            raise ValueError("a panel needs two judges or more, of different epochs")
        self.members = tuple(members)
        self.epoch = panel_epoch([member.epoch for member in members])

    def combined(self, votes: Sequence[Preference]) -> Preference:
        """What the members' preferences on one comparison come to; `members` keeps them."""
        return replace(combined(votes), epoch=self.epoch.id)


def combined(votes: Sequence[Preference]) -> Preference:
    """One preference from several on the same comparison.

    A missing vote leaves it unjudged; else one inconsistent vote makes it inconsistent; else votes for
    different sides are a `split`. The margin is the mean over all verdicts.
    """
    first = votes[0]
    found = replace(
        first,
        margin=None,
        reason=None,
        detail="",
        verdicts=tuple(verdict for vote in votes for verdict in vote.verdicts),
        members=tuple(votes),
        spent=sum((vote.spent for vote in votes), Spend()),
    )
    for vote in votes:
        if vote.winner is None:
            return replace(found, winner=None, reason=vote.reason, detail=vote.detail)
    winners = {vote.winner for vote in votes}
    if "inconsistent" in winners:
        return replace(found, winner="inconsistent")
    if len(winners) > 1:
        return replace(found, winner="split", detail=PANEL_SPLIT)
    given = [verdict for verdict in found.verdicts if verdict is not None]
    return replace(found, margin=margin_of(str(first.winner), given))
