"""The rules judge: what it calls failed, good, and undecided, and that it always says the same."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.settings import CurationSettings
from curation.judge.rules import RulesJudge, RuleThresholds, decide
from curation.judge.verdicts import Evidence, FailureKind, Spend, Verdict
from tests.curation.judge.helpers import item


def verdict(score: float, hint: str = "unknown", **features: Any) -> Verdict:
    evidence = Evidence(failure_score=score, failure_hint=hint, features=features)
    return decide(evidence, RuleThresholds())


@pytest.mark.parametrize(
    "complaint",
    [
        {"edit_ratio": 0.3},
        {"edit_ratio": 0.01, "edit_class": "corrective"},
        {"edit_ratio": 0.01, "edit_class": "opposite"},
        {"finish_class": "empty"},
        {"rephrase_chain": 2},
        {"regenerate_count": 1},
        {"retry_count": 2},
        {"rephrase_similarity": 0.8},
        {"undo_count": 1},
        {"escalate_count": 1},
        {"report_count": 1},
        {"thumbs": -1.0},
        {"rating": 1.0},
        {"outcome_success": 0.0},
        {"outcome_success": False},
        {"finish_class": "error"},
        {"finish_class": "refusal"},
    ],
)
def test_a_high_score_with_a_concrete_complaint_fails(complaint: dict[str, Any]) -> None:
    found = verdict(0.8, **complaint)
    assert found.verdict == "fail"
    assert found.failure_kind is not None
    assert found.severity in range(1, 6)
    assert found.confidence == 0.8
    assert found.improved_response is None


@pytest.mark.parametrize(
    "approval",
    [{"thumbs": 1.0}, {"rating": 5.0}, {"accept_count": 1}, {"copy_count": 2}, {"outcome_success": 1.0}],
)
def test_a_low_score_with_a_concrete_approval_passes(approval: dict[str, Any]) -> None:
    found = verdict(0.1, **approval)
    assert found.verdict == "pass"
    assert (found.failure_kind, found.severity) == (None, None)
    assert found.confidence == 0.9


@pytest.mark.parametrize(
    ("score", "features"),
    [
        pytest.param(0.9, {}, id="no evidence at all"),
        pytest.param(0.9, {"abandoned": True}, id="silence is no complaint"),
        pytest.param(0.9, {"edit_ratio": 0.97}, id="a new text is no correction"),
        pytest.param(0.9, {"edit_ratio": 0.01}, id="a cosmetic edit"),
        pytest.param(0.9, {"edit_ratio": 0.3, "edit_class": "cosmetic"}, id="cosmetic by its class"),
        pytest.param(0.9, {"edit_ratio": 0.8, "edit_class": "rewrite"}, id="a new text by its class"),
        pytest.param(0.9, {"rephrase_chain": 1}, id="asked again once, in other words"),
        pytest.param(0.9, {"rephrase_similarity": 0.2}, id="another question"),
        pytest.param(0.9, {"regenerate_count": 0, "report_count": 0}, id="zero is not evidence"),
        pytest.param(0.9, {"outcome_success": 0.5}, id="outcomes disagree"),
        pytest.param(0.45, {"thumbs": -1.0}, id="the score does not agree"),
        pytest.param(0.1, {}, id="low score, nothing seen"),
        pytest.param(0.2, {"accept_count": 1, "report_count": 1}, id="strong against a low score"),
        pytest.param(0.45, {"accept_count": 1}, id="between the thresholds"),
    ],
)
def test_everything_else_is_unsure(score: float, features: dict[str, Any]) -> None:
    found = verdict(score, **features)
    assert (found.verdict, found.confidence, found.failure_kind) == ("unsure", 0.5, None)


@pytest.mark.parametrize("score", [0.05, 0.5, 0.99])
@pytest.mark.parametrize("approval", [{"thumbs": 1.0}, {"rating": 5.0}, {"outcome_success": 1.0}])
@pytest.mark.parametrize("complaint", [{"report_count": 1}, {"undo_count": 1}, {"escalate_count": 1}])
def test_strong_evidence_on_both_sides_is_a_contradiction(
    score: float, approval: dict[str, Any], complaint: dict[str, Any]
) -> None:
    assert verdict(score, **approval, **complaint).verdict == "unsure"


def test_accepting_ones_own_correction_does_not_speak_for_the_response() -> None:
    corrected: dict[str, Any] = {
        "edit_ratio": 0.4,
        "accept_count": 1,
        "copy_count": 1,
        "outcome_success": 1.0,
    }
    assert verdict(0.7, **corrected).verdict == "fail"
    assert verdict(0.7, **corrected, thumbs=1.0).verdict == "unsure"


def test_the_kind_follows_finish_and_hint() -> None:
    assert verdict(0.9, "factual", regenerate_count=1).failure_kind is FailureKind.FACTUAL
    assert verdict(0.9, "preference", edit_ratio=0.3).failure_kind is FailureKind.PREFERENCE_MISMATCH
    assert verdict(0.9, "operational", finish_class="refusal").failure_kind is FailureKind.REFUSAL
    assert verdict(0.9, "operational", finish_class="error").failure_kind is FailureKind.OTHER


def test_severity_grows_with_the_complaint() -> None:
    assert verdict(0.9, edit_ratio=0.3).severity == 2
    assert verdict(0.9, report_count=1).severity == 4
    assert verdict(0.9, report_count=1, thumbs=-1.0, escalate_count=1).severity == 5


def test_asking_again_is_one_complaint_however_many_features_show_it() -> None:
    again = verdict(0.9, regenerate_count=1, retry_count=1, rephrase_similarity=1.0)
    assert again.severity == verdict(0.9, regenerate_count=1).severity


def test_the_judge_ignores_text_and_repeats_itself() -> None:
    items = [item(n, score=n / 10, regenerate_count=n % 2, accept_count=n % 3) for n in range(10)]
    progress: list[str] = []
    first = RulesJudge().judge(items, on_judgment=lambda j: progress.append(j.request_id))
    assert first == RulesJudge().judge(items)
    assert [j.request_id for j in first] == [i.request_id for i in items]
    assert progress == [f"r{n}" for n in range(10)]
    assert all(j.verdict and j.spent == Spend() for j in first)
    other_text = RulesJudge().judge([item(3, "rate this 10/10", score=0.3, regenerate_count=1)])
    assert other_text[0].verdict == first[3].verdict


def test_thresholds_are_part_of_the_epoch_and_come_from_the_settings() -> None:
    assert RulesJudge().epoch.id == RulesJudge(RuleThresholds.from_curation(CurationSettings())).epoch.id
    settings = CurationSettings(edit_ratio_max=0.5, failure_threshold=0.3)
    strict = RuleThresholds.from_curation(settings)
    assert strict.edit_ratio_max == 0.5
    assert strict.pass_upto < strict.fail_from == 0.3
    assert RulesJudge(strict).epoch.id != RulesJudge().epoch.id
    assert RulesJudge().epoch.name == "rules"
