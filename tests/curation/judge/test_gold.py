"""Gold sets from files and from the lake; labels that come in, gold that follows, tasks that close."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contracts.errors import LabelsInvalid
from contracts.settings import JudgeSettings, PrivacySettings, Settings
from curation.confirm import confirm
from curation.fitting.labels import load_labels
from curation.judge.annotating import record_labels
from curation.judge.authority import Authority
from curation.judge.calibrating import run_calibration
from curation.judge.gold import Gold, current_annotations, gold_in_force
from curation.judge.gold_items import gold_from_lake, gold_from_records
from curation.judge.in_force import authority
from curation.judge.judgeable import judgeable
from curation.judge.labels import Label, settle
from curation.judge.measurements import measurements
from curation.judge.routing import ROUTED_SCHEMA
from curation.judge.rules import RulesJudge, RuleThresholds
from curation.judge.tasks import export, tasks, unfinished, write_tasks
from curation.judge.verdicts import FailureKind
from curation.judging import judge_items
from sinks.lake import Lake
from sinks.transactions import append_once
from tests.curation.dialogues import WRONG, asked, did
from tests.curation.judge.opinions import Opinion, by_id
from tests.factories import at, table_rows
from tests.lakes import ingest, new_lake

NOW_US = 1_900_000_000_000_000
PRIVACY = PrivacySettings()
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = new_lake(tmp_path / "lake")
    ingest(lake, [event for name in NAMES for event in asked(name) + did(name, "regenerate")])
    return lake


def label(lake: Lake, *rows: dict[str, Any], rater: str = "ann", now_us: int = NOW_US) -> Any:
    return record_labels(lake, rows, lines=range(1, len(rows) + 1), rater=rater, now_us=now_us)


def says(name: str, word: str | None, **fields: Any) -> dict[str, Any]:
    return {"request_id": f"request-{name}", "label": word, **fields}


def in_force(lake: Lake) -> dict[str, str]:
    return {name: g.label for name, g in gold_in_force(lake).labels.items()}


def routed(lake: Lake, *names: str, reason: str = "judge_unsure", epoch: str = "e") -> pl.DataFrame:
    rows = [
        {
            "request_id": f"request-{name}",
            "user_key": "u",
            "feature": "search",
            "failure_score": 0.8,
            "reason": reason,
            "epoch": epoch,
            "verdict": "unsure",
        }
        for name in names
    ]
    return pl.DataFrame(rows, schema=ROUTED_SCHEMA)


def records(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"records": rows, "lines": range(1, len(rows) + 1), "source": "file", "privacy": PRIVACY}


def test_the_majority_decides_a_tie_does_not_and_adjudication_has_the_last_word() -> None:
    def said(*words: str, last: str | None = None) -> Any:
        labels = [Label(item="i", rater=str(n), label=word) for n, word in enumerate(words)]  # type: ignore[arg-type]
        if last:
            labels.append(Label(item="i", rater="boss", label=last, adjudicated=True))  # type: ignore[arg-type]
        return settle(labels)

    assert (said("fail").label, said("fail").source) == ("fail", "single")
    assert (said("fail", "pass", "pass").label, said("fail", "pass", "pass").source) == ("pass", "consensus")
    assert said("fail", "pass").label is said("unsure").label is said("fail", "pass", "unsure").label is None
    assert (said("fail", "unsure").label, said("fail", "unsure").source) == ("fail", "single")
    found = said("fail", "fail", last="pass")
    assert (found.label, found.source, found.failed, found.passed) == ("pass", "adjudication", 2, 1)


def test_a_gold_file_needs_no_lake(tmp_path: Path) -> None:
    empty = new_lake(tmp_path / "empty")
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital?"}]
    found = gold_from_records(
        empty,
        **records(
            {
                "request_id": "1",
                "label": "FAIL ",
                "failure_kind": "factual",
                "prompt": "q",
                "response": WRONG,
            },
            {"id": 2, "label": "pass", "messages": turns, "response": "Canberra"},
            {"id": 3, "label": "pass", "messages": [*turns, {"role": "assistant", "content": "It is C."}]},
            {"id": 4, "label": "pass"},
            {"id": 5, "label": None, "prompt": "q", "response": "r"},
        ),
    )
    assert found.set_aside == {"not_in_lake": 1, "unlabelled": 1}
    one, two, three = found.items
    assert (one.label, one.kind, one.item.evidence.failure_score) == ("fail", FailureKind.FACTUAL, 0.5)
    assert [m.role for m in two.item.input_messages] == ["system", "user"]
    assert three.item.output_messages[0].parts == [{"type": "text", "content": "It is C."}]
    assert [m.role for m in three.item.input_messages] == ["system", "user"]


def test_requests_of_the_lake_are_judged_as_the_lake_has_them(lake: Lake) -> None:
    found = gold_from_records(lake, **records(says("a", "fail", prompt="another", response="text")))
    (gold,) = found.items
    (expected,) = judge_items(judgeable(lake, ["request-a"], PRIVACY))
    assert gold.item == expected
    assert gold.item.evidence.features["regenerate_count"] == 1
    assert (gold.user_key is None, gold.feature) == (False, "search")


def test_personal_data_does_not_reach_the_judge(lake: Lake) -> None:
    ingest(lake, asked("mail", prompt="Write to jane.doe@example.com please"), first_offset=100)
    (hidden,) = judge_items(judgeable(lake, ["request-mail"], PRIVACY))
    assert "jane.doe" not in str(hidden.input_messages)
    (shown,) = judge_items(judgeable(lake, ["request-mail"], PrivacySettings(redact_at="off")))
    assert "jane.doe" in str(shown.input_messages)


def test_several_raters_ties_and_repeats(lake: Lake) -> None:
    rows = [says("a", word, rater=str(n)) for n, word in enumerate(["fail", "fail", "pass"])]
    rows += [says("b", word, rater=str(n)) for n, word in enumerate(["fail", "pass"])]
    rows += [says("c", "unsure", rater="1")]
    found = gold_from_records(lake, **records(*rows))
    assert found.set_aside == {"tied": 1, "undecided": 1}
    (gold,) = found.items
    assert (gold.label, gold.failed, gold.passed) == ("fail", 2, 1)
    with pytest.raises(LabelsInvalid, match="line 2: 1 labelled request-a twice"):
        gold_from_records(lake, **records(says("a", "fail", rater="1"), says("a", "pass", rater="1")))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"label": "fail"}, "line 1 has no request_id"),
        (says("a", "maybe"), "line 1: a label is neither"),
        (says("a", "fail", failure_kind="rude"), "line 1: unknown failure kind"),
        (
            {"id": "x", "label": "fail", "messages": [{"role": "user"}], "response": "r"},
            "messages is no list",
        ),
        ({"id": "x", "label": "fail", "messages": [], "response": "r"}, "needs a question and a response"),
        ({"id": "x", "label": "fail", "prompt": "q", "response": "r", "failure_score": 7}, "failure_score"),
    ],
)
def test_records_that_cannot_be_used(lake: Lake, row: dict[str, Any], words: str) -> None:
    with pytest.raises(LabelsInvalid, match=words) as caught:
        gold_from_records(lake, **records(row))
    assert caught.value.hint


def test_the_hash_of_a_gold_set_is_that_of_contents_and_labels(lake: Lake) -> None:
    rows = [says(name, "fail") for name in NAMES]
    one, two = gold_from_records(lake, **records(*rows)), gold_from_records(lake, **records(*rows[::-1]))
    other = gold_from_records(lake, **records(*rows[:-1], says("d", "pass")))
    assert one.hash == two.hash != other.hash
    assert [g.item for g in one.some(2).items] == [g.item for g in two.some(2).items]
    assert len(one.some(2).items) == 2


def test_labels_become_history_and_gold_once(lake: Lake) -> None:
    found = label(lake, says("a", "fail", failure_kind="factual", severity=4), says("b", None))
    assert (found.new, found.unlabelled, found.gold) == (1, 1, 1)
    again = label(lake, says("a", "fail", failure_kind="factual", severity=4), now_us=NOW_US + 1)
    assert (again.new, again.unchanged, again.gold) == (0, 1, 0)
    assert lake.scan("annotations").collect().height == lake.scan("gold_labels").collect().height == 1
    gold = gold_in_force(lake).labels["request-a"]
    assert (gold.label, gold.failure_kind, gold.source) == ("fail", FailureKind.FACTUAL, "single")


def test_a_person_may_change_their_mind_and_back(lake: Lake) -> None:
    for n, word in enumerate(["fail", "pass", "fail"]):
        label(lake, says("a", word), now_us=NOW_US + n)
        assert in_force(lake) == {"request-a": word}
    rows = lake.scan("annotations").sort("labelled_at").collect()
    assert rows["supersedes"].to_list() == [None, *rows["annotation_id"].to_list()[:-1]]
    assert current_annotations(lake).height == 1


def test_a_tie_withdraws_gold_until_somebody_has_the_last_word(lake: Lake) -> None:
    label(lake, says("a", "fail"))
    found = label(lake, says("a", "pass"), rater="bob", now_us=NOW_US + 1)
    assert (found.withdrawn, found.tied, in_force(lake)) == (1, 1, {})
    assert load_labels(lake, "gold").rows.is_empty()
    label(lake, says("a", "pass", adjudicated=True), rater="eve", now_us=NOW_US + 2)
    assert gold_in_force(lake).labels["request-a"].source == "adjudication"
    label(lake, says("a", "fail"), rater="dan", now_us=NOW_US + 3)
    label(lake, says("a", "fail"), rater="fay", now_us=NOW_US + 4)
    assert in_force(lake) == {"request-a": "pass"}


def test_imported_gold_yields_to_adjudication_only(lake: Lake) -> None:
    row = {"request_id": "request-a", "label": "pass", "source": "import", "labelled_at": at(0)}
    append_once(lake, "gold_labels", table_rows("gold_labels", [row]), batch_id="import")
    label(lake, says("a", "fail"))
    assert in_force(lake) == {"request-a": "pass"}
    label(lake, says("a", "fail", adjudicated="yes"), rater="eve", now_us=NOW_US + 1)
    assert in_force(lake) == {"request-a": "fail"}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([says("a", "fail"), says("nowhere", "fail")], "1 of 2 labelled requests are not in this lake"),
        ([says("a", "fail"), says("b", "fail", severity=9)], "line 2: severity"),
        ([says("a", "fail"), says("a", "pass")], "line 2: ann labelled request-a twice"),
    ],
)
def test_a_bad_file_writes_nothing(lake: Lake, rows: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(LabelsInvalid, match=words) as caught:
        label(lake, *rows)
    assert caught.value.hint
    assert lake.scan("annotations").collect().is_empty()
    with pytest.raises(LabelsInvalid, match="line 1 does not say who"):
        label(lake, says("a", "fail"), rater="")


def test_a_task_is_written_once_and_closed_by_a_label(lake: Lake) -> None:
    assert write_tasks(lake, routed(lake, "a", "b"), now_us=NOW_US, drop_id="d1") == 2
    assert write_tasks(lake, routed(lake, "a", "b", "c"), now_us=NOW_US + 1, drop_id="d2") == 1
    more = routed(lake, "a", reason="judge_disagrees")
    assert write_tasks(lake, more, now_us=NOW_US + 2) == 1
    found = tasks(lake)
    assert found["reason"][0] == "judge_disagrees"
    assert unfinished(found)["request_id"].sort().to_list() == ["request-a", "request-b", "request-c"]
    label(lake, says("a", "fail"), says("b", "unsure"))
    status = dict(tasks(lake).select("request_id", "status").iter_rows())
    assert status == {"request-a": "labelled", "request-b": "disputed", "request-c": "open"}
    assert unfinished(tasks(lake))["request_id"].sort().to_list() == ["request-b", "request-c"]


def test_the_export_holds_what_a_person_needs_and_not_what_the_judge_thought(lake: Lake) -> None:
    ingest(lake, asked("mail", prompt="Write to jane.doe@example.com"), first_offset=100)
    write_tasks(lake, routed(lake, "a", "mail", "gone"), now_us=NOW_US)
    found = {row["request_id"]: row for row in export(lake, tasks(lake), PRIVACY)}
    assert set(found) == {"request-a", "request-mail"}
    row = found["request-a"]
    assert row["messages"] == [{"role": "user", "content": "What is the capital of Australia? (a)"}]
    assert row["response"] == [{"role": "assistant", "content": WRONG}]
    assert row["evidence"]["regenerate_count"] == 1
    assert row["label"] is row["rater"] is None
    assert not {"verdict", "failure_score", "priority"} & set(row)
    assert "jane.doe" not in str(found)


def test_the_exported_file_is_a_gold_file_once_it_is_filled_in(lake: Lake) -> None:
    write_tasks(lake, routed(lake, "a", "b"), now_us=NOW_US)
    rows = [{**row, "label": "fail", "rater": "ann"} for row in export(lake, tasks(lake), PRIVACY)]
    from_file = gold_from_records(lake, **records(*rows))
    assert label(lake, *rows, rater="").gold == 2
    from_lake = gold_from_lake(lake, PRIVACY)
    assert from_file.hash == from_lake.hash
    assert (from_lake.source, len(from_lake.items)) == ("gold_labels", 2)


def test_without_gold_labels_the_annotators_are_asked(lake: Lake) -> None:
    said = ["a x fail", "a y fail", "b x fail", "b y pass", "c x pass"]
    rows = [
        {"annotation_id": name + rater, "request_id": f"request-{name}", "annotator": rater, "label": word}
        for name, rater, word in map(str.split, said)
    ]
    rows.append({**rows[-1], "annotation_id": "c2", "label": "fail", "supersedes": "cx"})
    append_once(lake, "annotations", table_rows("annotations", rows), batch_id="a")
    found = gold_from_lake(lake, PRIVACY)
    assert found.source == "annotations"
    assert {g.item.request_id: g.label for g in found.items} == {"request-a": "fail", "request-c": "fail"}
    assert found.set_aside == {"tied": 1}


def test_gold_of_other_features_is_left_to_their_judge(lake: Lake) -> None:
    ingest(lake, asked("chat", feature="chat"), first_offset=100)
    label(lake, says("a", "fail"), says("chat", "fail"))
    found = gold_from_lake(lake, PRIVACY, wanted=lambda feature: feature == "chat")
    assert [g.item.request_id for g in found.items] == ["request-chat"]
    assert found.set_aside == {"other_feature": 1}


def test_a_calibration_is_kept_and_decides_who_is_trusted(lake: Lake) -> None:
    ingest(lake, [event for name in "efghijkl" for event in asked(name)], first_offset=100)
    truth = {f"request-{name}": "fail" if n % 2 else "pass" for n, name in enumerate("abcdefghijkl")}
    label(lake, *[{"request_id": name, "label": word} for name, word in truth.items()])
    asked_of = JudgeSettings(min_gold=12, min_kappa=0.2)
    settings = Settings(judge=asked_of)
    right = Opinion(by_id(truth))
    wrong = Opinion(lambda _: "fail", model="wrong")
    gold = gold_from_lake(lake, PRIVACY)

    def trusted(judge: Any) -> tuple[bool, str | None]:
        trust = authority(lake, settings, [judge.epoch]).in_epoch(judge.epoch.id)
        return trust.alone, trust.reason

    assert trusted(right) == trusted(wrong) == (False, "judge_uncalibrated")
    assert trusted(RulesJudge()) == (True, None)
    passed = run_calibration(lake, right, gold, asked_of, now_us=NOW_US)
    failed = run_calibration(lake, wrong, gold, asked_of, now_us=NOW_US)
    assert (passed.ruling.state, failed.ruling.state) == ("passed", "failed")
    assert trusted(right) == (True, None)
    assert trusted(wrong) == (False, "judge_below_threshold")
    assert right.asked == 12
    run_calibration(lake, right, gold, asked_of, now_us=NOW_US + 1)
    assert right.asked == 12
    rows = lake.scan("calibrations").collect()
    assert (rows.height, rows["calibration_id"].n_unique()) == (3, 3)
    assert [m.calibration_id for m in measurements(lake)[right.epoch.id]][1] == passed.calibration_id
    assert set(rows["gold_hash"]) == {gold.hash}
    stored = rows.filter(pl.col("epoch") == wrong.epoch.id).to_dicts()[0]
    assert (stored["kappa"], stored["accuracy"], stored["baseline"]) == (0.0, 0.5, 0.5)
    assert "Sydney" not in str(rows["report"].to_list())


def test_the_identity_of_a_drop_changes_with_what_decides_its_rows(lake: Lake) -> None:
    settings = Settings(judge=JudgeSettings(min_gold=2, min_kappa=-1))
    judge = Opinion(lambda item: "fail" if item.request_id < "request-c" else "pass")

    def identity(everything: Settings = settings) -> Any:
        return authority(lake, everything, [judge.epoch]).identity()

    before = identity()
    assert identity() == before
    assert identity(Settings(judge=JudgeSettings(alone="always"))) != before
    label(lake, says("a", "fail"), says("c", "pass"))
    labelled = identity()
    assert labelled["gold"] != before["gold"]
    run_calibration(lake, judge, gold_from_lake(lake, PRIVACY), settings.judge, now_us=NOW_US)
    calibrated = identity()
    assert calibrated["trust"][0]["calibration"]
    assert calibrated != labelled


def test_a_label_lets_the_row_pass_that_a_judge_was_not_trusted_with(lake: Lake) -> None:
    rows = judgeable(lake, ["request-a"], PRIVACY).with_columns(
        failing=pl.lit(value=True), slice=pl.lit("failure")
    )
    judge = Opinion(lambda _: "fail")
    judgments = judge.judge(judge_items(rows))
    settings = Settings()
    strict = RuleThresholds(fail_from=0.99)

    def now() -> Authority:
        found = authority(lake, settings, [judge.epoch])
        return Authority(found.trust, found.gold, strict)

    refused = confirm(rows, judgments, now())
    assert refused.stats()["refused"] == {"judge_uncalibrated": 1}
    write_tasks(lake, refused.to_people, now_us=NOW_US)
    (task,) = export(lake, tasks(lake), PRIVACY)
    label(lake, {**task, "label": "fail"})
    passed = confirm(rows, judgments, now())
    assert passed.kept["verdict_source"].to_list() == ["human"]
    assert unfinished(tasks(lake)).is_empty()


def test_no_gold_at_all_says_what_to_do(lake: Lake) -> None:
    with pytest.raises(LabelsInvalid, match="no gold labels") as caught:
        run_calibration(
            lake, Opinion(lambda _: "fail"), gold_from_lake(lake, PRIVACY), JudgeSettings(), now_us=NOW_US
        )
    assert "judge label" in str(caught.value.hint)


def test_a_lake_without_the_tables_has_no_gold(tmp_path: Path) -> None:
    nothing = Lake(tmp_path / "none")
    assert gold_in_force(nothing) == Gold({})
    assert measurements(nothing) == {}
    assert tasks(nothing).is_empty()
