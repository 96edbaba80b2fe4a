"""Who decides in this lake: the trust in every epoch that judges, and the gold labels in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.settings import Settings
from curation.judge.epoch import JudgeEpoch
from curation.judge.gold import Gold, gold_in_force
from curation.judge.measurements import measurements, rule_of
from curation.judge.rules import RulesJudge, RuleThresholds
from curation.judge.trust import Trust, trust_in, unknown_epoch
from sinks.lake import Lake


@dataclass(frozen=True)
class Authority:
    """What `confirm` needs to know besides verdicts: trust by epoch, gold labels, and what the evidence says.

    An epoch without an entry is not trusted.
    """

    trust: Mapping[str, Trust]
    gold: Gold
    thresholds: RuleThresholds

    def in_epoch(self, epoch: str) -> Trust:
        """Trust in an epoch."""
        return self.trust.get(epoch) or unknown_epoch(epoch)

    def identity(self) -> dict[str, Any]:
        """What of it decides rows, for the identity of a drop (JSON types)."""
        seconded = any(not each.alone for each in self.trust.values())
        return {
            "trust": [self.trust[epoch].identity() for epoch in sorted(self.trust)],
            "gold": self.gold.identity(),
            "evidence_rules": RulesJudge(self.thresholds).epoch.id if seconded else None,
        }


def authority(lake: Lake, settings: Settings, epochs: Sequence[JudgeEpoch]) -> Authority:
    """The authority in force for judges of some epochs."""
    measured = measurements(lake)
    asked = rule_of(settings.judge)
    always = settings.judge.alone == "always"
    return Authority(
        trust={
            epoch.id: trust_in(epoch, measured.get(epoch.id, []), asked=asked, always=always)
            for epoch in epochs
        },
        gold=gold_in_force(lake),
        thresholds=RuleThresholds.from_curation(settings.curation),
    )
