"""The authority in force in a lake: calibrations, drift and gold labels read, settings applied."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.settings import Settings
from curation.judge.anchor_runs import has_drifted
from curation.judge.authority import Authority
from curation.judge.epoch import JudgeEpoch
from curation.judge.gold import gold_in_force
from curation.judge.measurements import measurements, rule_of
from curation.judge.rules import RuleThresholds
from curation.judge.trust import trust_in
from sinks.lake import Lake


def authority(lake: Lake, settings: Settings, epochs: Sequence[JudgeEpoch]) -> Authority:
    """The authority in force for judges of some epochs."""
    measured = measurements(lake)
    asked = rule_of(settings.judge)
    always = settings.judge.alone == "always"
    return Authority(
        trust={
            epoch.id: trust_in(
                epoch,
                measured.get(epoch.id, []),
                asked=asked,
                always=always,
                drifted=has_drifted(lake, epoch),
            )
            for epoch in epochs
        },
        gold=gold_in_force(lake),
        thresholds=RuleThresholds.from_curation(settings.curation),
    )
