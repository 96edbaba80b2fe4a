"""Who decides about a candidate: people before judges, judges as far as they are trusted, or the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.confirm import confirm
from curation.deciding import decided
from curation.judge.authority import Authority
from curation.judge.gold import Gold, GoldLabel
from curation.judge.routing import URGENCY, task_rows
from curation.judge.rules import RuleThresholds
from curation.judge.trust import Trust
from curation.judge.verdicts import FailureKind, Judgment, UnjudgedReason, Verdict
from curation.refusal_words import WORDS, in_words
from tests.curation.judge.opinions import verdict
from tests.factories import table_rows

TRUSTED = Trust(epoch="e", judge="openai:m", alone=True)
UNCALIBRATED = Trust(epoch="e", judge="openai:m", alone=False, reason="judge_uncalibrated")
BELOW = Trust(epoch="e", judge="openai:m", alone=False, reason="judge_below_threshold")
RULES = Trust(epoch="e", judge="rules", alone=True, evidence_only=True)
RULES_FAILED = Trust(
    epoch="e", judge="rules", alone=False, evidence_only=True, reason="judge_below_threshold"
)

COMPLAINT: dict[str, Any] = {"failure_score": 0.9, "report_count": 1, "accept_count": 0}
PRAISE: dict[str, Any] = {"failure_score": 0.1, "report_count": 0, "accept_count": 1}
SILENCE: dict[str, Any] = {"failure_score": 0.9, "report_count": 0, "accept_count": 0}


def candidate(evidence: dict[str, Any], *, failing: bool = True, name: str = "r") -> pl.DataFrame:
    none = dict.fromkeys(("regenerate_count", "retry_count", "undo_count", "copy_count", "escalate_count"), 0)
    row = {"request_id": name, "user_key": "u", "feature": "search", **none, **evidence}
    return table_rows("interactions", [row]).with_columns(
        failing=pl.lit(failing), slice=pl.lit("failure" if failing else "control")
    )


def judged(word: str | None, *, name: str = "r", epoch: str = "e", reason: str = "budget") -> Judgment:
    found: Verdict | None = verdict(word) if word else None
    return Judgment(
        request_id=name,
        content_hash=name,
        epoch=epoch,
        verdict=found,
        reason=None if found else UnjudgedReason(reason),
    )


def authority(*trust: Trust, gold: Sequence[GoldLabel] = ()) -> Authority:
    return Authority({t.epoch: t for t in trust}, Gold({g.request_id: g for g in gold}), RuleThresholds())


def gold(label: str, kind: FailureKind | None = None) -> GoldLabel:
    return GoldLabel(
        request_id="r",
        label=label,  # type: ignore[arg-type]
        failure_kind=kind,
        source="single",
        guideline_version="v2",
    )


def fate(
    trust: Trust | None, word: str | None, evidence: dict[str, Any], *, failing: bool = True, **options: Any
) -> tuple[str | None, str]:
    """Reason of the refusal, who vouches."""
    asked = None if trust is None else authority(trust, gold=options.pop("gold", ()))
    (row,) = decided(candidate(evidence, failing=failing), [judged(word, **options)], asked).to_dicts()
    return row["reason"], row["verdict_source"]


@pytest.mark.parametrize(
    ("trust", "word", "evidence", "expected"),
    [
        (TRUSTED, "fail", SILENCE, (None, "judge")),
        (TRUSTED, "pass", COMPLAINT, ("judge_disagrees", "judge")),
        (TRUSTED, "unsure", COMPLAINT, ("judge_unsure", "judge")),
        (RULES, "fail", COMPLAINT, (None, "evidence")),
        (RULES, "unsure", SILENCE, ("judge_unsure", "evidence")),
        (UNCALIBRATED, "fail", COMPLAINT, (None, "evidence")),
        (UNCALIBRATED, "fail", SILENCE, ("judge_uncalibrated", "evidence")),
        (UNCALIBRATED, "pass", COMPLAINT, ("judge_uncalibrated", "evidence")),
        (UNCALIBRATED, "unsure", COMPLAINT, ("judge_unsure", "evidence")),
        (BELOW, "fail", COMPLAINT, (None, "evidence")),
        (BELOW, "fail", SILENCE, ("judge_below_threshold", "evidence")),
        (RULES_FAILED, "fail", COMPLAINT, ("judge_below_threshold", "evidence")),
        (None, "fail", SILENCE, (None, "judge")),
    ],
)
def test_what_counts_of_a_verdict_on_a_failing_row(
    trust: Trust | None, word: str, evidence: dict[str, Any], expected: tuple[str | None, str]
) -> None:
    assert fate(trust, word, evidence) == expected


@pytest.mark.parametrize(
    ("trust", "word", "expected"),
    [
        (UNCALIBRATED, "pass", None),
        (UNCALIBRATED, "fail", "judge_uncalibrated"),
        (TRUSTED, "fail", "judge_disagrees"),
    ],
)
def test_what_counts_on_a_row_that_is_not_failing(trust: Trust, word: str, expected: str | None) -> None:
    assert fate(trust, word, PRAISE, failing=False)[0] == expected


def test_an_epoch_nobody_vouched_for_is_not_trusted() -> None:
    other = Trust(epoch="other", judge="", alone=True)
    assert fate(other, "fail", SILENCE)[0] == "judge_uncalibrated"
    assert fate(other, "fail", COMPLAINT)[0] is None


def test_no_verdict_says_why() -> None:
    assert fate(TRUSTED, None, COMPLAINT, reason="too_long")[0] == "unjudged_too_long"
    rows = decided(candidate(COMPLAINT), [], authority(TRUSTED))
    assert rows["reason"].to_list() == ["unjudged_missing"]


@pytest.mark.parametrize("word", ["fail", "pass", "unsure", None])
@pytest.mark.parametrize("trust", [TRUSTED, UNCALIBRATED, BELOW, RULES, RULES_FAILED])
def test_a_gold_label_beats_every_judge(trust: Trust, word: str | None) -> None:
    assert fate(trust, word, SILENCE, gold=[gold("fail")]) == (None, "human")
    assert fate(trust, word, COMPLAINT, gold=[gold("pass")]) == ("gold_disagrees", "human")


def test_a_row_of_people_carries_their_kind_and_guideline() -> None:
    rows = decided(
        candidate(SILENCE), [judged("pass")], authority(TRUSTED, gold=[gold("fail", FailureKind.FORMAT)])
    )
    (row,) = rows.to_dicts()
    assert (row["verdict"], row["failure_kind"], row["severity"]) == ("fail", "format", None)
    assert (row["guideline_version"], row["judge_epoch"], row["judged"]) == ("v2", "e", "pass")
    agreed = decided(candidate(SILENCE), [judged("fail")], authority(TRUSTED, gold=[gold("fail")]))
    assert agreed.select("failure_kind", "severity").row(0) == ("factual", 3)


def test_rows_of_several_epochs_are_trusted_each_by_its_own() -> None:
    rows = pl.concat([candidate(SILENCE, name=name) for name in ("a", "b", "c")])
    judgments = [judged("fail", name=name, epoch=name) for name in ("a", "b", "c")]
    trusts = [
        Trust(epoch="a", judge="a", alone=True),
        Trust(epoch="b", judge="b", alone=False, reason="judge_below_threshold"),
        Trust(epoch="c", judge="c", alone=False, reason="judge_uncalibrated"),
    ]
    found = decided(rows, judgments, authority(*trusts))
    assert found["reason"].to_list() == [None, "judge_below_threshold", "judge_uncalibrated"]


def test_confirm_parts_rows_and_routes_what_people_can_settle() -> None:
    rows = pl.concat([candidate(COMPLAINT, name=name) for name in ("ok", "split", "unsure", "broke", "long")])
    judgments = [
        judged("fail", name="ok"),
        judged("pass", name="split"),
        judged("unsure", name="unsure"),
        judged(None, name="broke", reason="budget"),
        judged(None, name="long", reason="too_long"),
    ]
    found = confirm(rows, judgments, authority(TRUSTED))
    assert found.kept["request_id"].to_list() == ["ok"]
    assert {"verdict", "verdict_source", "judge_epoch", "guideline_version"} <= set(found.kept.columns)
    assert not {"judged", "reason", "detail", "unjudged"} & set(found.kept.columns)
    assert found.stats()["refused"] == {
        "judge_disagrees": 1,
        "judge_unsure": 1,
        "unjudged_budget": 1,
        "unjudged_too_long": 1,
    }
    # tomorrow's budget judges the one without a call; nobody has to look at it
    assert found.to_people.select("request_id", "reason", "verdict").rows() == [
        ("split", "judge_disagrees", "pass"),
        ("unsure", "judge_unsure", "unsure"),
        ("long", "unjudged_too_long", None),
    ]


def test_what_people_have_labelled_is_not_put_to_them_again() -> None:
    found = confirm(candidate(COMPLAINT), [judged("fail")], authority(TRUSTED, gold=[gold("pass")]))
    assert found.stats()["refused"] == {"gold_disagrees": 1}
    assert found.to_people.is_empty()


def test_a_task_is_named_by_what_it_is_about() -> None:
    found = confirm(candidate(COMPLAINT), [judged("unsure")], authority(TRUSTED)).to_people
    one, two = task_rows(found, now_us=1), task_rows(found, now_us=2, drop_id="d")
    assert one["task_id"].to_list() == two["task_id"].to_list()
    assert one["priority"].to_list() == [pytest.approx(0.7 + 0.09)]
    other = confirm(candidate(COMPLAINT), [judged("unsure", epoch="f")], authority()).to_people
    assert task_rows(other, now_us=1)["task_id"].to_list() != one["task_id"].to_list()


def test_every_reason_has_words() -> None:
    for reason in [*URGENCY, "gold_disagrees"]:
        assert reason in WORDS or reason.startswith("unjudged_")
        assert in_words(reason) != reason


words = st.sampled_from(["fail", "pass", "unsure", None])


@given(
    word=words,
    label=st.sampled_from(["fail", "pass", None]),
    failing=st.booleans(),
    trust=st.sampled_from([TRUSTED, UNCALIBRATED, BELOW, RULES, RULES_FAILED]),
    evidence=st.sampled_from([COMPLAINT, PRAISE, SILENCE]),
)
def test_nothing_goes_on_against_the_evidence_or_without_somebody_who_may_decide(
    word: str | None, label: str | None, failing: bool, trust: Trust, evidence: dict[str, Any]
) -> None:
    labels = [gold(label)] if label else []
    found = confirm(candidate(evidence, failing=failing), [judged(word)], authority(trust, gold=labels))
    assert found.kept.height + found.refused.height == 1
    if found.kept.is_empty():
        return
    (row,) = found.kept.to_dicts()
    assert row["verdict"] == ("fail" if failing else "pass")
    if label is not None:
        assert row["verdict"] == label
    elif not trust.alone:
        assert not trust.evidence_only
        assert row["verdict"] == word
        assert row["verdict_source"] == "evidence"
