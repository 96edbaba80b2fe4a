"""Anchors asked again: noise is no drift, a model changed behind its name is."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import TerminalError
from contracts.settings import Settings
from curation.judge.anchor_runs import compare_run, has_drifted, newest_report
from curation.judge.anchors import add_anchors, anchor_items, anchors, balanced
from curation.judge.calibrating import run_calibration
from curation.judge.drift import AnchorAnswers, binomial_tail, drift, fewest_anchors
from curation.judge.drifting import drift_if_due, run_drift
from curation.judge.gold_items import GoldSet
from curation.judge.in_force import authority
from curation.judge.rules import RulesJudge
from curation.judge.trust import Trust
from sinks.lake import Lake
from tests.curation.judge.helpers import openai_judge
from tests.curation.judge.opinions import Opinion, by_id, gold_items
from tests.curation.judge.server import FakeServer
from tests.lakes import new_lake

DAY_US = 86_400_000_000
NOW_US = 1_900_000_000_000_000


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def with_anchors(lake: Lake, count: int) -> Lake:
    assert add_anchors(lake, gold_items("fp" * (count // 2)), source="file", now_us=NOW_US) == count
    return lake


def answers(first: str, second: str, now: str) -> list[AnchorAnswers]:
    words = {"f": "fail", "p": "pass", "u": "unsure", ".": None}
    return [
        AnchorAnswers(anchor_id=str(n), first=str(words[a]), second=str(words[b]), now=words[c])
        for n, (a, b, c) in enumerate(zip(first, second, now, strict=True))
    ]


def compared(first: str, second: str, now: str, **options: Any) -> Any:
    return drift(answers(first, second, now), epoch="e", judge="j", anchors=len(first), **options)


def test_flips_beyond_the_judges_noise_are_drift() -> None:
    found = compared("f" * 40, "f" * 40, "p" * 7 + "f" * 33)
    assert (found.state, found.only_now, found.only_then) == ("drifted", 7, 0)
    assert found.p_value == pytest.approx(2**-7)
    assert found.moves == {"fail → pass": 7}
    assert compared("f" * 40, "f" * 40, "p" * 6 + "f" * 34).state == "steady"


def test_as_many_flips_as_asked_twice_are_not() -> None:
    found = compared("f" * 40, "p" * 8 + "f" * 32, "f" * 8 + "p" * 8 + "f" * 24)
    assert (found.state, found.only_now, found.only_then) == ("steady", 8, 8)
    assert found.flips.value == found.noise.value == 0.2
    # anchors that differ both times say nothing about either
    both = compared("f" * 40, "p" * 20 + "f" * 20, "p" * 20 + "f" * 20)
    assert (both.only_now, both.only_then, both.state) == (0, 0, "steady")


def test_too_few_anchors_cannot_tell_whatever_they_say() -> None:
    few = fewest_anchors()
    assert compared("f" * (few - 1), "f" * (few - 1), "p" * (few - 1)).state == "cannot_tell"
    assert compared("f" * few, "f" * few, "p" * few).state == "drifted"
    assert compared("f" * 40, "f" * 40, "." * 40).state == "cannot_tell"


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_tail_is_that_of_a_fair_coin(successes: int, more: int) -> None:
    trials = successes + more
    exact = sum(math.comb(trials, k) for k in range(successes, trials + 1))
    assert binomial_tail(successes, trials) == pytest.approx(exact / 2**trials)
    if successes:
        upper, lower = binomial_tail(successes, trials), binomial_tail(trials - successes + 1, trials)
        assert upper + lower == pytest.approx(1.0)


def test_a_noisy_judge_that_did_not_change_is_rarely_called_drifted() -> None:
    dice = random.Random(3)

    def noisy() -> str:
        return "".join(dice.choices("fp", [0.8, 0.2], k=60))

    alarms = sum(compared(noisy(), noisy(), noisy()).drifted for _ in range(400))
    assert alarms <= 400 * 0.01 + 3 * math.sqrt(400 * 0.01)


def test_anchors_come_back_as_they_were_and_are_kept_once(lake: Lake) -> None:
    gold = gold_items("fpfp")
    assert add_anchors(lake, gold, source="file", now_us=NOW_US) == 4
    assert add_anchors(lake, gold[:2], source="other", now_us=NOW_US + 1) == 0
    rows = anchors(lake)
    assert rows["anchor_id"].to_list() == sorted(g.item.content_hash for g in gold)
    assert [i.content_hash for i in anchor_items(rows)] == rows["anchor_id"].to_list()
    assert dict(rows.select("request_id", "label").iter_rows()) == {g.item.request_id: g.label for g in gold}


def test_a_balanced_draw_takes_what_there_is() -> None:
    labels = [g.label for g in balanced(gold_items("f" * 3 + "p" * 40), 20)]
    assert (labels.count("fail"), labels.count("pass")) == (3, 17)
    labels = [g.label for g in balanced(gold_items("fp" * 20), 10)]
    assert (labels.count("fail"), labels.count("pass")) == (5, 5)


def test_the_first_run_asks_twice_and_later_ones_once_past_the_cache(lake: Lake) -> None:
    judge = Opinion(lambda item: "fail")
    with_anchors(lake, 20)
    first = run_drift(lake, judge, now_us=NOW_US)
    assert (first.state, judge.asked, first.noise.value) == ("baseline", 40, 0.0)
    second = run_drift(lake, judge, now_us=NOW_US + 1)
    assert (second.state, judge.asked, second.compared) == ("steady", 60, 20)
    assert lake.scan("judgments").collect().is_empty()
    assert newest_report(lake, judge.epoch.id, judge.epoch.name) == compare_run(
        lake, judge.epoch.id, judge.epoch.name, run_id=second.run_id
    )


def test_a_provider_that_changes_its_model_silently_is_found(lake: Lake, server: FakeServer) -> None:
    with_anchors(lake, 30)
    judge = openai_judge(server.base_url)
    assert run_drift(lake, judge, now_us=NOW_US).state == "baseline"
    assert run_drift(lake, judge, now_us=NOW_US + 1).state == "steady"
    server.good |= {"verdict": "pass", "failure_kind": None, "severity": None}
    found = run_drift(lake, openai_judge(server.base_url), now_us=NOW_US + 2)
    assert found.drifted
    assert found.flips.value == 1.0
    # half the anchors are gold failures: as good as before, and still another judge
    assert found.right_first.value == found.right_now.value == 0.5
    assert "drifted" in found.words
    assert len(server.requests) == 30 * 4


def test_a_drifted_judge_is_not_trusted_until_it_is_measured_anew(lake: Lake) -> None:
    with_anchors(lake, 60)
    gold = GoldSet(gold_items("fp" * 30), "file")
    truth = {g.item.request_id: g.label for g in gold.items}
    settings = Settings()

    def trust() -> Trust:
        return authority(lake, settings, [judge.epoch]).in_epoch(judge.epoch.id)

    judge = Opinion(by_id(truth))
    assert run_calibration(lake, judge, gold, settings.judge, now_us=NOW_US).ruling.state == "passed"
    run_drift(lake, judge, now_us=NOW_US + 1)
    assert trust().alone
    # the provider turns to a model that knows nothing of half the failures
    judge.says = lambda item: "pass" if int(item.request_id[1:]) % 4 == 0 else truth[item.request_id]
    assert run_drift(lake, judge, now_us=NOW_US + 2).drifted
    assert (trust().alone, trust().reason) == (False, "judge_drifted")

    # neither a run that gets no answers nor a look at a few labels clears it
    says, judge.says = judge.says, lambda item: "unavailable"
    assert run_drift(lake, judge, now_us=NOW_US + 3).state == "cannot_tell"
    judge.says = says
    few = run_calibration(lake, judge, gold.some(10), settings.judge, now_us=NOW_US + 3)
    assert (few.fresh, few.ruling.state, trust().reason) == (True, "not_enough", "judge_drifted")

    found = run_calibration(lake, judge, gold, settings.judge, now_us=NOW_US + 3)
    assert (found.fresh, found.calibration.accuracy.value) == (True, 0.75)
    assert trust().reason == "judge_below_threshold"
    assert not has_drifted(lake, judge.epoch)
    judge.says = by_id(truth)
    again = run_calibration(lake, judge, gold, settings.judge, now_us=NOW_US + 4, fresh=True)
    assert again.ruling.state == "passed"
    assert trust().alone
    assert run_drift(lake, judge, now_us=NOW_US + 5).state == "baseline"
    assert run_drift(lake, judge, now_us=NOW_US + 6).state == "steady"
    assert lake.scan("judgments").collect().height == 60


def test_another_epoch_has_its_own_reference(lake: Lake) -> None:
    with_anchors(lake, 20)
    run_drift(lake, Opinion(lambda item: "fail"), now_us=NOW_US)
    other = run_drift(lake, Opinion(lambda item: "pass", model="other"), now_us=NOW_US + 1)
    assert other.state == "baseline"
    assert run_drift(lake, Opinion(lambda item: "fail"), now_us=NOW_US + 2).state == "steady"


def test_anchors_added_later_get_a_reference_of_their_own(lake: Lake) -> None:
    with_anchors(lake, 20)
    judge = Opinion(lambda item: "fail")
    run_drift(lake, judge, now_us=NOW_US)
    add_anchors(lake, gold_items("f" * 24)[20:], source="file", now_us=NOW_US)
    found = run_drift(lake, judge, now_us=NOW_US + 1)
    assert (found.anchors, found.compared, found.not_compared) == (24, 20, 4)
    assert run_drift(lake, judge, now_us=NOW_US + 2).compared == 24


def test_an_anchor_without_two_answers_is_asked_again(lake: Lake) -> None:
    with_anchors(lake, 10)
    judge = Opinion(lambda item: "budget" if item.request_id in ("r1", "r2") else "fail")
    assert run_drift(lake, judge, now_us=NOW_US).noise.n == 8
    judge.says = lambda item: "fail"
    found = run_drift(lake, judge, now_us=NOW_US + 1)
    assert found.compared == 8
    rows = lake.scan("judge_anchor_runs").collect()
    assert rows.filter(pl.col("unjudged") == "budget").height == 4
    assert run_drift(lake, judge, now_us=NOW_US + 2).compared == 10


def test_it_is_due_when_the_newest_run_is_old_enough(lake: Lake) -> None:
    judge = Opinion(lambda item: "fail")
    assert drift_if_due(lake, judge, now_us=NOW_US) is None
    with_anchors(lake, 20)
    assert drift_if_due(lake, RulesJudge(), now_us=NOW_US) is None
    first = drift_if_due(lake, judge, now_us=NOW_US)
    assert first is not None
    assert first.state == "baseline"
    assert drift_if_due(lake, judge, now_us=NOW_US + DAY_US, every_days=7) is None
    later = drift_if_due(lake, judge, now_us=NOW_US + 7 * DAY_US, every_days=7)
    assert later is not None
    assert later.state == "steady"


def test_without_anchors_there_is_nothing_to_ask(lake: Lake) -> None:
    with pytest.raises(TerminalError, match="no anchors") as caught:
        run_drift(lake, Opinion(lambda item: "fail"), now_us=NOW_US)
    assert caught.value.hint
