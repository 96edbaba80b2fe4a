from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from contracts.settings import CurationSettings
from curation.length_bias import balance_lengths, length_bias, side_length
from curation.steps import StepResult
from tests.curation.final_rows import final_row, final_rows


def pair(name: str, chosen: int, rejected: int, feature: str = "answer", **fields: Any) -> dict[str, Any]:
    return {**final_row(name, chosen="c" * chosen, rejected="r" * rejected, **fields), "feature": feature}


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    base = final_rows([{k: v for k, v in row.items() if k != "feature"} for row in rows])
    features = pl.Series("feature", [row.get("feature", "answer") for row in rows], dtype=pl.String)
    return base.with_columns(
        features,
        example_id=pl.col("request_ids").list.first(),
        design_weight=1.0 / pl.col("inclusion_probability"),
    )


def balanced(rows: pl.DataFrame, limit: float | None, seed: int = 17) -> StepResult:
    return balance_lengths(rows, CurationSettings(length_balance=limit, seed=seed))


def test_calls_count_as_what_is_said() -> None:
    call = {"id": "call00001", "type": "function", "function": {"name": "f", "arguments": {"q": "abc"}}}
    assert side_length(json.dumps([{"role": "assistant", "content": "", "tool_calls": [call]}])) == 7
    assert side_length(json.dumps([{"role": "assistant", "content": "größer"}])) == 6


def test_figures_of_a_drop_by_source_and_feature() -> None:
    rows = [
        pair("a", 20, 10),
        pair("b", 40, 10, feature="search"),
        pair("c", 10, 20, pair_source="regenerate_accept"),
        pair("d", 10, 10),
        pair("e", 30, 10),
        {**final_row("u", chosen=None, kind="unpaired", pair_source="one_sided"), "feature": "answer"},
    ]
    block: Any = length_bias(frame(rows), CurationSettings(length_balance=0.6))
    assert (block["unit"], block["limit"]) == ("characters", 0.6)
    whole = block["all"]
    assert [whole[k] for k in ("pairs", "chosen_longer", "chosen_shorter", "equal")] == [5, 3, 1, 1]
    assert whole["longer_share"] == 0.75
    assert (whole["low"], whole["high"]) == (0.3006, 0.9544)
    ratios = [math.log(r) for r in (2, 4, 0.5, 1, 3)]
    assert whole["mean_log_ratio"] == pytest.approx(np.mean(ratios), abs=1e-4)
    assert whole["median_log_ratio"] == pytest.approx(np.median(ratios), abs=1e-4)
    assert list(block["pair_sources"]) == ["regenerate_accept", "user_edit"]
    assert block["pair_sources"]["regenerate_accept"]["longer_share"] == 0.0
    assert {name: part["pairs"] for name, part in block["features"].items()} == {"answer": 4, "search": 1}


def test_a_drop_without_pairs_has_no_share() -> None:
    whole: Any = length_bias(frame([]), CurationSettings())["all"]
    assert whole["pairs"] == 0
    assert [whole[k] for k in ("longer_share", "low", "high", "mean_log_ratio", "median_log_ratio")] == [
        None
    ] * 5


def many(longer: int, shorter: int, **fields: Any) -> pl.DataFrame:
    rows = [pair(f"l{n}", 20 + n, 10, **fields) for n in range(longer)]
    return frame(rows + [pair(f"s{n}", 10, 20 + n, **fields) for n in range(shorter)])


@pytest.mark.parametrize(("limit", "kept"), [(None, 30), (0.5, 10), (0.6, 15), (0.75, 30), (0.9, 30)])
def test_surplus_of_longer_sides_is_refused(limit: float | None, kept: int) -> None:
    result = balanced(many(30, 10), limit)
    assert result.kept.height == kept + 10
    assert result.stats()["refused"] == ({"length_balance": 30 - kept} if kept < 30 else {})
    assert all(detail.endswith("against 10 characters") for detail in result.refused["detail"])


def test_unpaired_rows_do_not_count_and_safety_rows_are_never_refused() -> None:
    unpaired = [final_row(f"u{n}", chosen=None, kind="unpaired", pair_source="one_sided") for n in range(50)]
    tagged = [pair(f"t{n}", 20, 10, safety=True) for n in range(6)]
    rows = pl.concat([many(30, 10), frame(unpaired), frame(tagged)])
    kept = balanced(rows, 0.5).kept
    assert kept.filter(pl.col("kind") == "unpaired").height == 50
    assert kept.filter("safety").height == 6
    assert kept.filter(pl.col("kind") == "preference").height == 20


def test_weights_stay_unbiased() -> None:
    rows = many(12, 6, inclusion_probability=0.5).with_columns(x=pl.Series(np.arange(18.0)))
    truth = (rows["x"] / rows["inclusion_probability"]).sum()
    estimates = []
    for seed in range(400):
        kept = balanced(rows, 0.5, seed).kept
        estimates.append((kept["x"] / kept["inclusion_probability"]).sum())
        assert (kept["design_weight"] * kept["inclusion_probability"] - 1).abs().max() < 1e-9
    assert abs(np.mean(estimates) - truth) < 4 * np.std(estimates) / np.sqrt(400)
