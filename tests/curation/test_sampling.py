from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.sampling import Cap, apply_caps, uniform

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["x", "y", None]), st.floats(0.01, 1.0)),
    min_size=0,
    max_size=25,
)


def frame(rows: list[tuple[int, str | None, float]], seed: int = 1) -> pl.DataFrame:
    made = pl.DataFrame(rows, schema={"a": pl.Int64, "b": pl.String, "weight": pl.Float64}, orient="row")
    made = made.with_columns(request_id=pl.int_range(made.height).cast(pl.String))
    return made.with_columns(draw=uniform(made["request_id"], seed))


def capped(rows: pl.DataFrame, most_a: int, most_b: int) -> pl.DataFrame:
    caps = [Cap("a_cap", pl.col("a"), most_a), Cap("b_cap", pl.col("b"), most_b)]
    return apply_caps(rows, caps, weight=pl.col("weight"), draw=pl.col("draw"))


@given(ROWS, st.integers(1, 4), st.integers(1, 6))
def test_no_group_exceeds_its_cap_and_no_place_is_wasted(
    rows: list[tuple[int, str | None, float]], most_a: int, most_b: int
) -> None:
    done = capped(frame(rows), most_a, most_b)
    kept = done.filter(pl.col("cap").is_null())
    assert kept.group_by("a").len().filter(pl.col("len") > most_a).is_empty()
    assert kept.group_by("b").len().filter(pl.col("len") > most_b).is_empty()
    assert kept["chance"].is_between(0, 1).all()
    assert (kept["chance"] > 0).all()
    for row in done.filter(pl.col("cap") == "b_cap").iter_rows(named=True):
        assert kept.filter(pl.col("b").eq_missing(pl.lit(row["b"]))).height == most_b
    for row in done.filter(pl.col("cap") == "a_cap").iter_rows(named=True):
        within = done.filter(pl.col("a") == row["a"], pl.col("cap").fill_null("") != "a_cap")
        assert within.height == most_a


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: list[tuple[int, str | None, float]], dice: object) -> None:
    made = frame(rows)
    shuffled = made.sample(fraction=1.0, shuffle=True, seed=hash(dice) % 1000)
    by_id = capped(shuffled, 2, 3).sort("request_id")
    assert by_id.equals(capped(made, 2, 3).sort("request_id"))
    assert capped(made, 2, 3)["request_id"].to_list() == made["request_id"].to_list()


def test_weighted_sums_are_unbiased_under_caps_within_caps() -> None:
    dice = np.random.default_rng(3)
    groups, weights = dice.integers(0, 4, (40, 2)), dice.uniform(0.2, 1, 40)
    rows = [(int(a), str(b), float(w)) for (a, b), w in zip(groups, weights, strict=True)]
    made = frame(rows).with_columns(x=pl.Series(dice.random(40)))
    estimates = []
    for seed in range(1500):
        done = capped(made.with_columns(draw=uniform(made["request_id"], seed)), 5, 4)
        estimates.append(
            done.filter(pl.col("cap").is_null()).select((pl.col("x") / pl.col("chance")).sum()).item()
        )
    error = np.mean(estimates) - made["x"].sum()
    assert done.filter(pl.col("cap").is_null()).height < 20
    assert abs(error) < 4 * np.std(estimates) / np.sqrt(len(estimates))


def test_a_heavier_row_is_likelier() -> None:
    made = frame([(0, "x", 1.0)] * 10 + [(0, "x", 0.1)] * 10)
    heavy = 0
    for seed in range(100):
        done = capped(made.with_columns(draw=uniform(made["request_id"], seed)), 5, 99)
        heavy += done.head(10)["cap"].is_null().sum()
    assert heavy > 400


@settings(max_examples=20)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True))
def test_draws_depend_on_id_seed_and_purpose_alone(ids: list[str]) -> None:
    column = pl.Series("id", ids, dtype=pl.String)
    draws = uniform(column, 7, "control")
    assert draws.is_between(0, 1, closed="left").all()
    assert draws.reverse().equals(uniform(column.reverse(), 7, "control"))
    if ids:
        assert draws[0] not in {uniform(column, 8, "control")[0], uniform(column, 7, "caps")[0]}


def test_draws_are_pinned() -> None:
    assert uniform(pl.Series(["a"]), 17, "control").to_list() == [0.010995533286335624]
