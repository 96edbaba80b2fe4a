"""The registry of epochs: once each, and in words what changed."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from curation.judge.epoch import JudgeEpoch
from curation.judge.epochs import epochs, note_epoch, verdict_counts
from curation.judging import judge_all
from sinks.lake import Lake
from tests.curation.judge.helpers import item
from tests.curation.judge.opinions import Opinion
from tests.lakes import new_lake

NOW_US = 1_900_000_000_000_000


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def epoch(**fields: object) -> JudgeEpoch:
    about = {"kind": "openai", "model": "m", "provider": "p", "rubric": "default@1", "rubric_hash": "a"}
    return JudgeEpoch(**{**about, **fields})  # type: ignore[arg-type]


def test_an_epoch_is_registered_once_and_the_first_changes_nothing(lake: Lake) -> None:
    first = epoch(parameters={"temperature": 0.0, "max_tokens": 300})
    assert note_epoch(lake, first, NOW_US) is None
    assert note_epoch(lake, first, NOW_US + 1) is None
    (row,) = epochs(lake).to_dicts()
    assert (row["epoch"], row["judge"], row["task"]) == (first.id, "openai:m", "pointwise")
    assert row["parameters"] == '{"max_tokens":300,"temperature":0.0}'
    assert row["first_seen"].timestamp() * 1e6 == NOW_US


def test_a_new_rubric_says_that_verdicts_start_anew(lake: Lake) -> None:
    judge = Opinion(lambda _: "fail", rubric_hash="a")
    note_epoch(lake, judge.epoch, NOW_US)
    judge_all(lake, judge, [item(n) for n in range(3)], judged_at_us=NOW_US)
    fields = {"kind": "openai", "provider": "test", "model": "opinion"}
    changed = note_epoch(lake, epoch(**fields, rubric="default@2", rubric_hash="b"), NOW_US + 1)
    assert changed is not None
    assert changed.differences == {"rubric": ("default@1", "default@2")}
    assert changed.previous == judge.epoch.id
    assert "rubric default@1 → default@2" in changed.words
    assert "0 of 3 cached verdicts apply" in changed.words


def test_an_edited_rubric_without_a_new_version_is_told_too(lake: Lake) -> None:
    note_epoch(lake, epoch(), NOW_US)
    changed = note_epoch(lake, epoch(rubric_hash="b"), NOW_US + 1)
    assert changed is not None
    assert changed.words.startswith("text of the rubric changed: verdicts start anew")


def test_it_is_compared_with_its_own_kin_not_with_whoever_came_last(lake: Lake) -> None:
    note_epoch(lake, epoch(model="a"), NOW_US)
    note_epoch(lake, epoch(model="b", base_url="http://b/v1", prompt_hash="b"), NOW_US + 1)
    changed = note_epoch(lake, epoch(model="a", rubric="default@2"), NOW_US + 2)
    assert changed is not None
    assert changed.differences == {"rubric": ("default@1", "default@2")}


def test_many_processes_register_it_once(lake: Lake) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: note_epoch(Lake(lake.root), epoch(), NOW_US + n), range(8)))
    assert epochs(lake).height == 1


def test_a_lake_of_an_older_release_gets_the_table(lake: Lake) -> None:
    shutil.rmtree(Path(lake.uri("judge_epochs")))
    assert epochs(lake).is_empty()
    note_epoch(lake, epoch(), NOW_US)
    assert epochs(lake).height == 1


def test_verdicts_are_counted_by_epoch(lake: Lake) -> None:
    items = [item(n) for n in range(4)]
    one, two = Opinion(lambda _: "fail"), Opinion(lambda _: "unsure", model="two")
    judge_all(lake, one, items, judged_at_us=NOW_US)
    judge_all(lake, two, items[:1], judged_at_us=NOW_US)
    found = {row["epoch"]: row for row in verdict_counts(lake).to_dicts()}
    assert found[one.epoch.id]["verdicts"] == found[one.epoch.id]["fail"] == 4
    assert (found[two.epoch.id]["unsure"], found[two.epoch.id]["judge"]) == (1, "openai:two")
