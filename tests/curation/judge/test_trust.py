"""Who decides alone: the newest measurement that can tell, by the settings in force."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.judge.epoch import JudgeEpoch
from curation.judge.trust import BELOW_THRESHOLD, DRIFTED, UNCALIBRATED, Measured, Rule, rule, trust_in
from tests.factories import START

ASKED = Rule(min_kappa=0.6, min_gold=50)
LLM = JudgeEpoch(kind="openai", model="m")
RULES = JudgeEpoch(kind="rules", model="rules-v2")


def measured(hours: float = 0, **fields: Any) -> Measured:
    good = {"compared": 100, "kappa": 0.8, "kappa_low": 0.65, "accuracy": 0.9, "baseline": 0.5}
    return Measured(
        calibration_id=f"c{hours:g}", measured_at=START + timedelta(hours=hours), **{**good, **fields}
    )


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "passed"),
        ({"kappa_low": 0.6}, "passed"),
        ({"kappa_low": 0.59}, "failed"),
        ({"kappa": 0.4, "kappa_low": 0.2}, "failed"),
        ({"accuracy": 0.9, "baseline": 0.9}, "failed"),
        ({"compared": 49}, "not_enough"),
        ({"kappa_low": None}, "not_enough"),
        ({"kappa": None, "kappa_low": None}, "not_enough"),
        ({"kappa": 0.0, "kappa_low": None}, "failed"),
        ({"kappa": 0.0, "kappa_low": None, "baseline": 1.0}, "not_enough"),
    ],
)
def test_the_rule(fields: dict[str, Any], state: str) -> None:
    ruling = rule(measured(**fields), ASKED)
    assert ruling.state == state
    assert ruling.why


def test_a_judge_nobody_measured_is_not_trusted_and_the_evidence_is() -> None:
    assert (trust_in(LLM, [], asked=ASKED).alone, trust_in(LLM, [], asked=ASKED).reason) == (
        False,
        UNCALIBRATED,
    )
    found = trust_in(RULES, [], asked=ASKED)
    assert found.alone
    assert found.evidence_only


def test_the_rules_judge_is_not_trusted_either_once_it_was_measured_and_failed() -> None:
    found = trust_in(RULES, [measured(kappa=0.1, kappa_low=0.0)], asked=ASKED)
    assert (found.alone, found.reason, found.evidence_only) == (False, BELOW_THRESHOLD, True)


def test_the_settings_may_trust_anybody() -> None:
    failed = [measured(kappa=0.1, kappa_low=0.0)]
    assert trust_in(LLM, failed, asked=ASKED, always=True).alone
    assert trust_in(LLM, [], asked=ASKED, always=True).alone


def test_the_newest_measurement_that_can_tell_counts() -> None:
    good, bad, few = measured(1), measured(2, kappa_low=0.1), measured(3, compared=5)
    assert trust_in(LLM, [good, few], asked=ASKED).calibration == "c1"
    assert trust_in(LLM, [good, bad, few], asked=ASKED).reason == BELOW_THRESHOLD
    assert trust_in(LLM, [few], asked=ASKED).reason == UNCALIBRATED
    # the settings in force decide, not those of the time
    assert trust_in(LLM, [good, bad], asked=Rule(min_kappa=0.05, min_gold=50)).alone


def test_a_judge_that_drifted_is_not_the_one_that_passed() -> None:
    found = trust_in(LLM, [measured(1)], asked=ASKED, drifted=True)
    assert (found.alone, found.reason, found.calibration) == (False, DRIFTED, None)
    assert trust_in(LLM, [measured(1)], asked=ASKED, drifted=True, always=True).alone


@given(st.permutations([measured(1), measured(2, kappa_low=0.1), measured(3, compared=5), measured(4)]))
def test_the_order_they_come_in_does_not_matter(calibrations: list[Measured]) -> None:
    assert trust_in(LLM, calibrations, asked=ASKED).calibration == "c4"
