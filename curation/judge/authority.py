"""Who decides: the trust in every epoch that judges, and the gold labels in force. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from curation.judge.gold import Gold
from curation.judge.rules import RulesJudge, RuleThresholds
from curation.judge.trust import Trust, unknown_epoch


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
