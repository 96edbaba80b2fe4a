"""A nightly build with a judge that is not trusted yet: rows wait for people, labels let them pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contracts.settings import CurationSettings, JudgeSettings, Settings
from curation.judge.annotating import record_labels
from curation.judge.calibrating import run_calibration
from curation.judge.epochs import epochs
from curation.judge.gold_items import GoldSet
from curation.judge.tasks import tasks, unfinished
from curation.nightly import DropResult, make_drop
from sinks.lake import Lake
from tests.curation.dialogues import edited, regenerated
from tests.curation.judge.opinions import Opinion, gold_items
from tests.lakes import ingest, new_lake

NOW_US = 1_900_000_000_000_000


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = new_lake(tmp_path / "lake")
    ingest(lake, edited("sure") + regenerated("doubtful"))
    return lake


def drop(lake: Lake, home: Path, judge: Any, **asked: Any) -> DropResult:
    curation = CurationSettings(control_share=0.0)
    settings = Settings(home=home, curation=curation, judge=JudgeSettings(**asked))
    return make_drop(lake, settings.drops_root, settings, judge, now_us=NOW_US)


def examples(lake: Lake, result: DropResult) -> dict[str, str]:
    rows = lake.scan("examples").filter(pl.col("drop_id") == result.drop_id).collect()
    return {row["request_ids"][0]: row["verdict_source"] for row in rows.iter_rows(named=True)}


def reasons(lake: Lake, result: DropResult) -> dict[str, str]:
    rows = lake.scan("quarantine").filter(pl.col("drop_id") == result.drop_id, pl.col("stage") == "confirm")
    return {row["request_ids"][0]: row["reason"] for row in rows.collect().iter_rows(named=True)}


def test_an_uncalibrated_judge_counts_where_the_evidence_says_the_same(lake: Lake, tmp_path: Path) -> None:
    contrary = Opinion(lambda item: "pass" if "sure" in item.request_id else "fail")
    result = drop(lake, tmp_path, contrary)
    assert examples(lake, result) == {"request-doubtful": "evidence"}
    assert reasons(lake, result) == {"request-sure": "judge_uncalibrated"}
    assert epochs(lake)["epoch"].to_list() == [contrary.epoch.id]
    (task,) = tasks(lake).to_dicts()
    assert (task["request_id"], task["reason"], task["drop_id"]) == (
        "request-sure",
        "judge_uncalibrated",
        result.drop_id,
    )
    again = drop(lake, tmp_path, contrary)
    assert (again.new, again.drop_id, tasks(lake).height) == (False, result.drop_id, 1)


def test_a_label_of_a_person_makes_another_drop(lake: Lake, tmp_path: Path) -> None:
    contrary = Opinion(lambda item: "pass" if "sure" in item.request_id else "fail")
    before = drop(lake, tmp_path, contrary)
    said = [{"request_id": "request-sure", "label": "fail", "guideline_version": "g1"}]
    record_labels(lake, said, lines=[1], rater="ann", now_us=NOW_US)
    after = drop(lake, tmp_path, contrary)
    assert after.drop_id != before.drop_id
    assert examples(lake, after) == {"request-sure": "human", "request-doubtful": "evidence"}
    rows = lake.scan("examples").filter(pl.col("drop_id") == after.drop_id).collect()
    assert set(rows["guideline_version"]) == {"g1", None}
    assert unfinished(tasks(lake)).is_empty()


def test_a_calibrated_judge_decides_and_calibration_is_part_of_the_drop(lake: Lake, tmp_path: Path) -> None:
    gold = gold_items("fp" * 30)
    truth = {g.item.request_id: g.label for g in gold}
    judge = Opinion(lambda item: truth.get(item.request_id, "fail"))
    before = drop(lake, tmp_path, judge)
    assert (
        run_calibration(lake, judge, GoldSet(gold, "f"), JudgeSettings(), now_us=NOW_US).ruling.state
        == "passed"
    )
    after = drop(lake, tmp_path, judge)
    assert after.drop_id != before.drop_id
    assert set(examples(lake, after).values()) == {"judge"}
    assert set(examples(lake, before).values()) == {"evidence"}


def test_another_judge_is_announced(lake: Lake, tmp_path: Path) -> None:
    assert drop(lake, tmp_path, Opinion(lambda _: "fail")).changes == ()
    (change,) = drop(lake, tmp_path, Opinion(lambda _: "fail", model="other")).changes
    assert "model opinion → other" in change.words
