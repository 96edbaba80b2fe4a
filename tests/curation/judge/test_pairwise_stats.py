"""Verdicts of two orders: what they come to, what biases them, and the figures published for real judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import LabelsInvalid
from curation.agreement.bootstrap import Bootstrap
from curation.judge.bias import length_bias, position_bias
from curation.judge.pairwise_rows import PairVerdict, answer_lengths, read_pairwise
from curation.judge.pairwise_stats import pairwise_report
from curation.judge.score_stats import read_scores, score_report

JUDGES = {
    "Qwen-7B": "Qwen2.5-7B-Instruct",
    "Qwen-14B": "Qwen2.5-14B-Instruct",
    "Qwen-32B": "Qwen2.5-32B-Instruct",
    "EXAONE-32B": "EXAONE-3.5-32B-Instruct-AWQ",
    "GPT-4o-mini": "gpt-4o-mini",
    "Gemma-4-12B": "Gemma-4-12B-it",
}
COLUMNS = {
    "qwen_7b": "Qwen-7B",
    "qwen_14b": "Qwen-14B",
    "qwen_32b": "Qwen-32B",
    "exaone_32b": "EXAONE-32B",
    "gpt_4o_mini": "GPT-4o-mini",
    "gemma_4_12b": "Gemma-4-12B",
}


def read(*rows: dict[str, Any]) -> list[PairVerdict]:
    base = {"judge_id": "j", "model_a": "alpha", "model_b": "beta"}
    records = [{"question_id": n, **base, **row} for n, row in enumerate(rows)]
    return read_pairwise(records, lines=range(1, len(records) + 1)).verdicts


def orders(*pairs: tuple[str, str], **fields: Any) -> list[PairVerdict]:
    return read(*({"winner_ab": ab, "winner_ba": ba, **fields} for ab, ba in pairs))


@pytest.mark.parametrize(
    ("ab", "ba", "winner"),
    [
        ("A", "B", "a"),
        ("B", "A", "b"),
        ("tie", "tie", "tie"),
        ("A", "A", "inconsistent"),
        ("B", "B", "inconsistent"),
        ("A", "tie", "inconsistent"),
        ("tie", "B", "inconsistent"),
        ("error", "A", "error"),
        ("error", "error", "error"),
    ],
)
def test_what_two_orders_come_to(ab: str, ba: str, winner: str) -> None:
    assert orders((ab, ba))[0].winner == winner
    (turned,) = read({"winner_ab": ba, "winner_ba": ab, "model_a": "beta", "model_b": "alpha"})
    assert turned == orders((ab, ba))[0], "the same comparison with the models named the other way round"


def test_position_bias_counts_both_orders() -> None:
    found = position_bias(
        orders(("A", "A"), ("A", "A"), ("B", "B"), ("A", "B"), ("tie", "tie"), ("error", "A"))
    )
    assert (found.comparisons, found.errors, found.valid, found.inconsistent) == (6, 1, 5, 3)
    assert (found.consistent_wins, found.consistent_ties) == (1, 1)
    assert found.inconsistency_rate.value == pytest.approx(3 / 5)
    assert found.biased_to_first.value == pytest.approx(2 / 5)
    assert found.biased_to_second.value == pytest.approx(1 / 5)
    assert found.first_share.value == pytest.approx(2 / 3)
    assert found.first_win_rate.value == pytest.approx(5 / 8)


def test_a_judge_without_bias_and_one_without_verdicts() -> None:
    fair = position_bias(orders(("A", "B"), ("B", "A")), Bootstrap(resamples=100))
    assert fair.inconsistency_rate.value == 0.0
    assert fair.inconsistency_rate.high is not None
    assert fair.inconsistency_rate.high > 0.5, "two questions prove nothing"
    assert fair.first_share.value is None
    assert fair.first_share.reason
    broken = position_bias(orders(("error", "error")))
    assert broken.inconsistency_rate.value is None
    assert "both orders" in (broken.inconsistency_rate.reason or "")


def test_only_the_outcome_is_enough_for_consistency() -> None:
    found = position_bias(read({"winner": "alpha"}, {"winner": "inconsistent"}, {"winner": "tie"}))
    assert found.inconsistency_rate.value == pytest.approx(1 / 3)
    assert "per order" in (found.first_share.reason or "")


def test_length_bias_does_not_depend_on_who_is_called_a() -> None:
    lengths = [(100, 300, "a"), (500, 200, "a"), (100, 110, "b"), (50, 400, "b"), (70, 70, "a")]

    def verdicts(flip: bool) -> list[PairVerdict]:
        return [
            PairVerdict(
                judge="j",
                question=str(n),
                turn=1,
                category=None,
                model_a="m",
                model_b="n",
                ab=None,
                ba=None,
                winner=({"a": "b", "b": "a"}[w] if flip else w),  # type: ignore[arg-type]
                length_a=b if flip else a,
                length_b=a if flip else b,
            )
            for n, (a, b, w) in enumerate(lengths)
        ]

    one, other = length_bias(verdicts(False)), length_bias(verdicts(True))
    assert one is not None
    assert other is not None
    assert one.longer_wins.value == other.longer_wins.value == pytest.approx(3 / 4)
    assert one.correlation.value == pytest.approx(other.correlation.value)
    assert one.correlation.value is not None
    assert 0.3 < one.correlation.value < 1.0
    assert one.correlation_within_pairs.value == pytest.approx(other.correlation_within_pairs.value)
    assert length_bias(orders(("A", "B"))) is None


def test_win_rates_leave_out_what_is_inconsistent() -> None:
    report = pairwise_report(orders(("A", "B"), ("A", "B"), ("B", "A"), ("tie", "tie"), ("A", "A")))
    rates = report.judges["j"].win_rates
    assert list(rates) == ["alpha", "beta"]
    assert (rates["alpha"].wins, rates["alpha"].losses, rates["alpha"].ties) == (2, 1, 1)
    assert rates["alpha"].win_rate.value == pytest.approx(2.5 / 4)
    assert report.agreement is None


def test_fastchat_judgments() -> None:
    record = {
        "question_id": 1,
        "model_1": "alpha",
        "model_2": "beta",
        "g1_winner": "model_1",
        "g2_winner": "model_2",
        "judge": ["gpt-4", "pair-v2"],
        "turn": 1,
    }
    (verdict,) = read_pairwise([record], lines=[1]).verdicts
    assert (verdict.judge, verdict.ab, verdict.ba, verdict.winner) == (
        "gpt-4:pair-v2",
        "first",
        "first",
        "inconsistent",
    )
    score = {"question_id": 1, "model": "alpha", "judge": ["gpt-4", "single-v1"], "score": 9, "turn": 2}
    (read_score,) = read_scores([score], lines=[1])
    assert (read_score.judge, read_score.turn, read_score.score) == ("gpt-4:single-v1", 2, 9.0)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"winner_ab": "A", "winner_ba": "C?"}, "line 1: a verdict"),
        ({"winner_ab": "A", "winner_ba": "B", "judge_id": None}, "line 1 has no judge_id"),
        ({"winner_ab": "A", "winner_ba": "B", "model_b": "alpha"}, "with itself"),
        ({"winner_ab": "A", "winner_ba": "B", "turn": "two"}, "turn is not a whole number"),
        ({"winner_ab": "A", "winner_ba": "B", "length_a": -3}, "length"),
        ({"winner": "gamma"}, "neither of the two"),
        ({"category": "math"}, "no verdicts"),
    ],
)
def test_unusable_verdicts_are_named(row: dict[str, Any], words: str) -> None:
    with pytest.raises(LabelsInvalid, match=words.replace("?", ".")) as error:
        read(row)
    assert error.value.hint


def test_repeats_and_contradictions() -> None:
    row = {"question_id": 7, "winner_ab": "A", "winner_ba": "B"}
    with pytest.raises(LabelsInvalid, match="line 2 repeats line 1"):
        read(row, {**row, "model_a": "beta", "model_b": "alpha"})
    records = [{"judge_id": "j", "model_a": "alpha", "model_b": "beta", **row, "winner": "beta"}]
    assert read_pairwise(records, lines=[1]).winner_mismatches == 1


def test_a_missing_score_is_minus_one_only_on_scales_above_zero() -> None:
    base = {"judge_id": "j", "model_id": "m"}

    def scores(*values: float | None) -> list[float | None]:
        records = [{**base, "question_id": n, "score": value} for n, value in enumerate(values)]
        return [s.score for s in read_scores(records, lines=range(len(records)))]

    assert scores(7, -1, None) == [7.0, None, None]
    assert scores(2, -1, -2) == [2.0, -1.0, -2.0]
    with pytest.raises(LabelsInvalid, match="not a number"):
        scores("high")  # type: ignore[arg-type]


def load(path: Path) -> tuple[list[dict[str, Any]], range]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return rows, range(1, len(rows) + 1)


def test_published_inconsistency(shared_data: Path) -> None:
    """Table 5: inconsistent, valid, rate."""
    published = json.loads((shared_data / "judges" / "mt_bench_en_published.json").read_text())
    rows, lines = load(shared_data / "judges" / "mt_bench_en_judge_pairwise.jsonl")
    found = read_pairwise(rows, lines=lines)
    assert found.winner_mismatches == 0
    report = pairwise_report(found.verdicts)
    for row in published["table5_pairwise_inconsistency"]:
        if row["judge"] == "Mean":
            assert f"{100 * (report.mean_inconsistency_rate or 0):.2f}" == row["en_rate_pct"]
            continue
        position = report.judges[JUDGES[row["judge"]]].position
        assert (str(position.inconsistent), str(position.valid)) == (row["en_inconsistent"], row["en_valid"])
        assert f"{100 * (position.inconsistency_rate.value or 0):.2f}" == row["en_rate_pct"]
    assert report.agreement is not None
    assert report.agreement.raters == 6
    assert report.agreement.cohen_kappa.value is not None


def test_published_scores(shared_data: Path) -> None:
    """Tables 6 and 7 and the whole of figure 3."""
    published = json.loads((shared_data / "judges" / "mt_bench_en_published.json").read_text())
    rows, lines = load(shared_data / "judges" / "mt_bench_en_judge_scores.jsonl")
    report = score_report(read_scores(rows, lines=lines))
    mode = report.modes["single_grade"]
    for row in published["table6_single_scores"]:
        if row["judge"] == "Mean":
            assert f"{mode.judge_mean:.2f}" == row["en_mean"]
            continue
        judge = mode.judges[JUDGES[row["judge"]]]
        assert (f"{judge.mean.value:.2f}", str(judge.valid_scores)) == (
            row["en_mean"],
            row["en_valid_scores"],
        )
    for row in published["table7_reference_scores"]:
        if row["judge"] == "Mean":
            mean = report.reference_mean["single_grade"]
            got = [mean["standard_mean"], mean["reference_mean"], mean["delta"]]
        else:
            effect = report.reference["single_grade"][JUDGES[row["judge"]]]
            got = [effect.standard_mean, effect.reference_mean, effect.delta.value]
            assert str(effect.paired) == row["en_paired"]
        wanted = [row["en_standard_mean"], row["en_reference_mean"], row["en_delta"]]
        assert [round(x or 0, 2) for x in got] == [float(x) for x in wanted]
    checked = 0
    for row in published["figure3_scores"]:
        table = mode.by_model if row["row_type"] == "model" else mode.by_category
        means = table[row["row_id"]]
        for column, judge_name in COLUMNS.items():
            assert means[JUDGES[judge_name]] == pytest.approx(float(row[column]), abs=5.01e-5)
            checked += 1
        assert means["judge_mean"] == pytest.approx(float(row["judge_mean"]), abs=5.01e-5)
    assert checked == 14 * 6


def test_lengths_of_real_answers(shared_data: Path) -> None:
    lengths: dict[tuple[str, str, int], int] = {}
    for model in ("Mistral-7B-Instruct-v0.3", "Phi-3.5-mini-Instruct"):
        rows, lines = load(shared_data / f"mt_bench_answers_{model}.jsonl")
        lengths.update(answer_lengths(rows, lines=lines))
    assert len(lengths) == 2 * 80 * 2
    rows, lines = load(shared_data / "judges" / "mt_bench_en_judge_pairwise.jsonl")
    report = pairwise_report(read_pairwise(rows, lines=lines, lengths=lengths).verdicts)
    for judge in report.judges.values():
        assert judge.length is not None
        assert 0 < judge.length.comparisons <= 80
        assert judge.length.longer_wins.value is not None
