from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import SettingsError
from contracts.settings import CurationSettings
from curation.safety import safety_flow
from curation.selection import SLICES, rank, select, with_slices
from curation.steps import StepResult
from tests.curation.final_rows import light_rows

CAPPED = {"max_per_user": 3, "max_per_fingerprint": 14, "max_per_segment": 8, "max_per_feature": 15}
SHARES = {"control_share": 0.4, "safety_share": 0.5, "replay_share": 0.2}


def chosen(rows: pl.DataFrame, **curation: Any) -> StepResult:
    return select(rows, CurationSettings(**curation))


def ids(frame: pl.DataFrame) -> set[str]:
    return set(frame["request_id"])


@given(st.integers(0, 40), st.integers(0, 5), st.booleans())
@settings(max_examples=40)
def test_every_row_is_kept_or_refused_once_with_a_reason(count: int, seed: int, caps: bool) -> None:
    rows = light_rows(count, seed)
    result = chosen(rows, **SHARES, **(CAPPED if caps else {"max_per_user": 0}))
    refused = result.refused["request_ids"].explode(keep_nulls=False, empty_as_null=False).to_list()
    assert sorted([*ids(result.kept), *refused]) == sorted(rows["request_id"])
    assert result.kept["inclusion_probability"].is_between(0, 1).all()
    assert (result.kept["inclusion_probability"] > 0).all()
    assert set(result.kept["slice"]) <= set(SLICES)


@given(st.integers(0, 1000))
@settings(max_examples=25)
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    rows = light_rows(80)
    one = chosen(rows, **SHARES, **CAPPED)
    other = chosen(rows.sample(fraction=1, shuffle=True, seed=seed), **SHARES, **CAPPED)
    assert other.kept.sort("request_id").equals(one.kept.sort("request_id"))
    assert other.stats() == one.stats()


def test_another_seed_chooses_others() -> None:
    rows = light_rows(200)
    assert ids(chosen(rows, **CAPPED).kept) == ids(chosen(rows, **CAPPED).kept)
    assert ids(chosen(rows, **CAPPED).kept) != ids(chosen(rows, **CAPPED, seed=18).kept)


@given(st.integers(0, 20))
@settings(max_examples=20)
def test_caps_hold_and_safety_rows_are_exempt(seed: int) -> None:
    rows = light_rows(120, seed)
    kept = chosen(rows, **SHARES, **CAPPED).kept
    counted = kept.filter(~pl.col("safety"))
    for keys, most in (
        (["user_key"], 3),
        (["fingerprint"], 14),
        (["feature", "region"], 8),
        (["feature"], 15),
    ):
        assert counted.group_by(keys).len()["len"].max() <= most
    failing_safety = rows.filter(
        (pl.col("finish_class") == "refusal") & (pl.col("failure_score") >= 0.5) & ~pl.col("in_earlier_drop")
    )
    assert ids(failing_safety) <= ids(kept)


def test_zero_means_no_cap() -> None:
    rows = light_rows(300, user_key=["one"] * 300, in_earlier_drop=[False] * 300)
    result = chosen(rows, max_per_user=0, control_share=1.0, safety_share=1.0)
    assert result.kept.height == 300


def test_each_reason_says_which_rule_refused_the_row() -> None:
    rows = light_rows(200)
    reasons = chosen(rows, **SHARES, **CAPPED).stats()["refused"]
    assert set(reasons) == {
        "below_threshold",
        "in_earlier_drop",
        "user_cap",
        "fingerprint_cap",
        "segment_cap",
        "feature_cap",
        "replay_share",
    }


def test_slices() -> None:
    rows = light_rows(4000)
    kept = chosen(rows, **SHARES, max_per_user=0).kept
    shares = {
        "failure": kept.filter(pl.col("slice") == "failure"),
        "control": kept.filter(pl.col("slice") == "control"),
        "safety": kept.filter(pl.col("slice") == "safety"),
        "replay": kept.filter(pl.col("slice") == "replay"),
    }
    assert (shares["failure"]["failure_score"] >= 0.5).all()
    assert (shares["control"]["failure_score"] < 0.5).all()
    assert set(shares["safety"]["finish_class"]) == {"refusal"}
    assert shares["replay"].height == pytest.approx(0.2 * kept.height, abs=1)
    fresh = rows.filter(~pl.col("in_earlier_drop") & (pl.col("failure_score") < 0.5))
    ordinary = fresh.filter(pl.col("finish_class") == "ok").height
    assert shares["control"].height == pytest.approx(0.4 * ordinary, rel=0.1)
    assert shares["control"]["inclusion_probability"].unique().to_list() == [0.4]
    assert shares["failure"]["inclusion_probability"].unique().to_list() == [1.0]
    earlier = rows.filter("in_earlier_drop")
    assert ids(shares["replay"]) <= ids(earlier)
    assert not ids(earlier) & ids(shares["failure"])


def test_weighted_sums_are_unbiased_for_every_slice() -> None:
    rows = light_rows(90, novelty=[0.5] * 90).with_columns(x=pl.Series(np.random.default_rng(2).random(90)))
    fresh, failing = ~pl.col("in_earlier_drop"), pl.col("failure_score") >= 0.5
    refusal = pl.col("finish_class") == "refusal"
    populations = {
        "failure": fresh & failing,
        "safety": fresh & ~failing & refusal,
        "control": fresh & ~failing & ~refusal,
        "replay": ~fresh,
    }
    caps = {"max_per_user": 4, "max_per_feature": 20, "rank_sharpness": 0.5}
    estimates: dict[str, list[float]] = {name: [] for name in SLICES}
    for seed in range(400):
        kept = chosen(rows, **SHARES, **caps, seed=seed).kept
        weighted = kept.with_columns(total=pl.col("x") / pl.col("inclusion_probability"))
        sums = dict(weighted.group_by("slice").agg(pl.col("total").sum()).iter_rows())
        for name in SLICES:
            estimates[name].append(sums.get(name, 0.0))
    for name, population in populations.items():
        truth = rows.filter(population)["x"].sum()
        assert truth > 1
        spread = np.std(estimates[name]) / np.sqrt(400)
        assert abs(np.mean(estimates[name]) - truth) < 4 * spread + 1e-9, name


def test_no_factor_of_the_rank_silences_the_others() -> None:
    rows = light_rows(
        4, failure_score=[0.0, 1.0, 1.0, 1.0], disagreement=[1.0, 0.0, 1.0, 1.0], novelty=[1.0, 1.0, 0.0, 1.0]
    ).with_columns(slice=pl.lit("failure"))
    ranks = rows.select(rank(CurationSettings())[0]).to_series().to_list()
    assert ranks == pytest.approx([0.05, 0.5, 0.1, 1.0])


def test_high_ranks_are_preferred_and_sharpness_decides_how_much() -> None:
    rows = light_rows(
        400, user_key=["one"] * 400, failure_score=[0.5] * 200 + [1.0] * 200, finish_class=["ok"] * 400
    ).with_columns(novelty=1.0, disagreement=0.0, in_earlier_drop=False)

    def high(sharpness: float) -> int:
        kept = chosen(rows, max_per_user=100, rank_sharpness=sharpness).kept
        return kept.filter(pl.col("failure_score") == 1.0).height

    assert high(0) == pytest.approx(50, abs=15)
    assert high(0) < high(2) < high(16)
    assert high(16) == 100


def test_missing_and_null_columns_mean_nothing_known() -> None:
    rows = light_rows(50).with_columns(in_earlier_drop=False)
    bare = chosen(rows.drop("novelty", "disagreement", "in_earlier_drop"))
    nulls = chosen(
        rows.with_columns(
            novelty=pl.lit(None, pl.Float64), disagreement=pl.lit(None, pl.Float64), in_earlier_drop=None
        )
    )
    assert bare.kept.height > 0
    assert nulls.kept.select(bare.kept.columns).equals(bare.kept)


def test_what_tags_a_request_as_safety() -> None:
    rows = light_rows(
        6,
        finish_class=["ok", "filtered", "ok", "ok", "ok", "ok"],
        feature=["a", "a", "moderation", "a", "a", "a"],
        report_count=[1, 0, 0, 0, 0, 0],
        attributes=[None, None, "{}", '{"red.team":"yes"}', '{"topic":"harm"}', '{"topic":"cats"}'],
    )

    def tagged(**curation: Any) -> list[bool]:
        return with_slices(rows, CurationSettings(**curation))["safety"].to_list()

    wanted = {"safety_features": ["moderation"], "safety_attributes": ["red.team", "topic=harm"]}
    assert tagged(**wanted) == [True, True, True, True, True, False]
    assert tagged() == [True, True, False, False, False, False]
    assert tagged(safety_reports=False, safety_finish_classes=[]) == [False] * 6


def test_settings_that_ask_for_columns_the_rows_lack_are_refused() -> None:
    with pytest.raises(SettingsError, match="attributes") as caught:
        chosen(light_rows(3), safety_attributes=["topic"])
    assert caught.value.hint
    with pytest.raises(SettingsError, match="language") as caught:
        chosen(light_rows(3), max_per_segment=1, segment_columns=["language"])
    assert caught.value.hint


def test_the_step_and_the_manifest_show_what_became_of_the_safety_slice() -> None:
    rows = with_slices(light_rows(300), CurationSettings(**SHARES))
    result = select(rows, CurationSettings(**SHARES, **CAPPED))
    notes = result.stats()
    assert notes["safety_in"] == rows["safety"].sum()
    assert notes["safety_out"] == result.kept["safety"].sum()
    assert sum(notes["slices"].values()) == result.kept.height
    flow = safety_flow(rows, result.kept, result.refused)
    assert flow["eligible"] == flow["rows"] + sum(flow["refused"].values())
    assert set(flow["refused"]) == {"select.below_threshold", "select.in_earlier_drop"}
    assert flow["eligible_share"] == pytest.approx(rows["safety"].mean(), abs=1e-6)
    empty = safety_flow(rows.clear(), result.kept.clear(), result.refused.clear())
    assert (empty["eligible"], empty["rows_share"]) == (0, 0.0)
