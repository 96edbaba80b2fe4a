"""A judge against gold labels: the figures are those of the agreement package, abstention is apart."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from curation.agreement.confusion import compare
from curation.judge.calibration import RESAMPLING, calibrate, labels_wanted
from curation.judge.gold_items import GoldItem
from curation.judge.verdicts import FailureKind, Judgment
from tests.curation.judge.helpers import item
from tests.curation.judge.opinions import Opinion, by_id, gold_items, verdict


def said(gold: list[GoldItem], words: str, confidence: float = 0.9) -> list[Judgment]:
    names = {"f": "fail", "p": "pass", "u": "unsure", "b": "budget"}
    answers = {g.item.request_id: names[w] for g, w in zip(gold, words, strict=True)}
    return Opinion(by_id(answers), confidence=confidence).judge([g.item for g in gold])


def test_a_judge_that_is_right_has_kappa_one_and_one_that_is_wrong_minus_one() -> None:
    gold = gold_items("fp" * 30)
    right, wrong = calibrate(gold, said(gold, "fp" * 30)), calibrate(gold, said(gold, "pf" * 30))
    assert right.kappa.value == right.alpha.value == right.accuracy.value == 1.0
    assert right.kappa.low is not None
    assert 0.8 < right.kappa.low < 1
    assert wrong.kappa.value == pytest.approx(-1.0)
    assert wrong.accuracy.value == 0.0
    assert right.baseline == wrong.baseline == 0.5


def test_always_the_most_frequent_label_is_the_baseline_and_no_agreement() -> None:
    gold = gold_items("ffff" * 10 + "p" * 10)
    found = calibrate(gold, said(gold, "f" * 50))
    assert found.accuracy.value == found.baseline == 0.8
    assert found.kappa.value == pytest.approx(0.0)


def test_unsure_and_unjudged_items_are_counted_apart() -> None:
    gold = gold_items("ffppff")
    found = calibrate(gold, said(gold, "fupfbb"))
    assert (found.items, found.compared, found.abstained) == (6, 3, 1)
    assert found.unjudged == {"budget": 2}
    assert found.abstention.value == 0.25
    assert found.comparison is not None
    assert found.comparison.matrix == [[1, 0], [1, 1]]


def test_nothing_decided_is_no_error_and_no_figure() -> None:
    gold = gold_items("fp")
    found = calibrate(gold, said(gold, "ub"))
    assert found.comparison is found.confidence is found.kinds is None
    assert found.kappa.value is None
    assert found.kappa.reason


def test_kinds_of_failure_are_compared_where_both_say_fail() -> None:
    gold = [
        GoldItem(item=item(n), label="fail", kind=kind)
        for n, kind in enumerate([FailureKind.FACTUAL, FailureKind.FACTUAL, FailureKind.FORMAT, None])
    ]
    found = calibrate(gold, said(gold, "ffff"))
    assert found.kinds is not None
    assert found.kinds.comparison.items == 3
    assert found.kinds.comparison.labels == ("factual", "format")
    assert found.kinds.comparison.matrix == [[2, 0], [1, 0]]


def test_confidence_is_measured_as_a_probability() -> None:
    gold = gold_items("f" * 100)
    judgments = [
        Judgment(
            request_id=g.item.request_id,
            content_hash=g.item.content_hash,
            epoch="e",
            verdict=verdict("fail" if n % 2 else "pass", 0.5 if n < 50 else 0.9),
        )
        for n, g in enumerate(gold)
    ]
    found = calibrate(gold, judgments).confidence
    assert found is not None
    # half of either are right: 0.5 said so, 0.9 did not
    assert [(b.verdicts, b.confidence, b.right) for b in found.bins] == [
        (50, pytest.approx(0.5), pytest.approx(0.5)),
        (50, pytest.approx(0.9), pytest.approx(0.5)),
    ]
    assert found.ece == pytest.approx(0.2)
    assert found.brier == pytest.approx((0.25 + (0.01 + 0.81) / 2) / 2)


def test_people_behind_the_labels_are_the_ceiling() -> None:
    gold = gold_items("fp" * 20, failed=3, passed=0) + [
        GoldItem(item=item(100 + n), label="pass", failed=1, passed=2) for n in range(10)
    ]
    found = calibrate(gold, said(gold, "fp" * 20 + "p" * 10)).people
    assert found is not None
    assert found.labels == 150
    # in the split items two of three people are with a tie (half right), one against the other two
    assert found.ceiling.accuracy.value == pytest.approx((120 + 10 * (2 * 0.5 + 0)) / 150)
    alone = gold_items("fp")
    assert calibrate(alone, said(alone, "fp")).people is None


def test_epochs_never_mix() -> None:
    gold = gold_items("fp")
    mixed = [said(gold, "fp")[0], Opinion(lambda _: "pass", model="other").judge([gold[1].item])[0]]
    with pytest.raises(ValueError, match="several epochs"):
        calibrate(gold, mixed)
    with pytest.raises(ValueError, match="2 gold items"):
        calibrate(gold, mixed[:1])


def test_how_many_labels_would_settle_it() -> None:
    gold = gold_items("fp" * 50)
    # 10 of 100 wrong: κ 0.8, and 100 labels leave its lower bound at about 0.68
    found = calibrate(gold, said(gold, "fp" * 45 + "pf" * 5))
    assert found.kappa.value == pytest.approx(0.8)
    low = found.kappa.low
    assert low is not None
    assert labels_wanted(found, low - 0.01) is None
    assert labels_wanted(found, 0.81) is None
    wanted = labels_wanted(found, 0.75)
    assert wanted == pytest.approx(100 * ((0.8 - low) / 0.05) ** 2, abs=1)


def test_the_figures_are_those_of_the_agreement_package_on_real_judges(shared_data: Path) -> None:
    scores = pl.read_ndjson(shared_data / "judges" / "mt_bench_en_judge_scores.jsonl").filter(
        pl.col("mode") == "single_grade", pl.col("score_turn1") > 0
    )
    by_judge: dict[str, dict[tuple[int, str], str]] = defaultdict(dict)
    for judge, question, model, score in scores.select(
        "judge_id", "question_id", "model_id", "score_turn1"
    ).iter_rows():
        by_judge[judge][question, model] = "fail" if score < 7 else "pass"
    reference, other = sorted(by_judge)[:2]
    both = sorted(by_judge[reference].keys() & by_judge[other].keys())
    assert len(both) > 400
    gold = [
        GoldItem(item=item(n), label=by_judge[reference][key])  # type: ignore[arg-type]
        for n, key in enumerate(both)
    ]
    given = [by_judge[other][key] for key in both]
    found = calibrate(gold, said(gold, "".join(word[0] for word in given)))
    expected = compare([g.label for g in gold], given, order=("fail", "pass"), bootstrap=RESAMPLING)
    assert found.comparison == expected
    # κ by its definition, from the table alone
    table = np.array(expected.matrix) / len(both)
    chance = float(table.sum(axis=1) @ table.sum(axis=0))
    assert found.kappa.value == pytest.approx((np.trace(table) - chance) / (1 - chance))
    assert found.kappa.low is not None
    assert found.kappa.high is not None
    assert found.kappa.low < found.kappa.value < found.kappa.high
