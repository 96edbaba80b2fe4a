"""Fitting on simulated traffic whose latent failures are known: it learns what is there, and only that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contracts.errors import FitRefused
from curation.fitting.design import design
from curation.fitting.fit import FitReport, fit_score
from curation.fitting.labels import Labels, outcome_labels
from curation.scoring import DEFAULT_MODEL, PRIOR_WEIGHTS, ScoreModel
from sinks.lake import Lake
from tests.simulated_lakes import simulated_lake

SEED = 17


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("fit")
    simulated_lake(home)
    return home


@pytest.fixture(scope="module")
def interactions(home: Path) -> pl.DataFrame:
    return Lake(home / "lake").interactions().collect()


@pytest.fixture(scope="module")
def truth(home: Path, interactions: pl.DataFrame) -> Labels:
    known = pl.read_ndjson(home / "truth.jsonl").select("request_id", failed="bad")
    rows = known.join(interactions.select("request_id"), on="request_id", how="semi").sort("request_id")
    return Labels(rows, "truth")


@pytest.fixture(scope="module")
def report(interactions: pl.DataFrame, truth: Labels) -> FitReport:
    return fit_score(interactions, truth, current=DEFAULT_MODEL, seed=SEED)


def test_a_fit_to_the_truth_is_better_calibrated_and_ranks_no_worse(report: FitReport) -> None:
    fitted, priors = report.measures["fitted"], report.measures["priors"]
    assert report.refusal is None
    assert fitted.ece < priors.ece
    assert fitted.brier < priors.brier
    assert fitted.auc > priors.auc - 0.005
    assert fitted.auc_low < fitted.auc < fitted.auc_high
    assert set(report.measures) == {"fitted", "priors"}


def test_users_are_on_one_side_only(report: FitReport) -> None:
    train, held_out = (set(part.rows["user_key"].drop_nulls()) for part in (report.train, report.held_out))
    assert train
    assert held_out
    assert not train & held_out
    assert (report.train.rows["split"] == "train").all()
    assert (report.train.rows["actor"] == "user").all()


def test_the_same_labels_make_the_same_fit_whatever_the_order(
    interactions: pl.DataFrame, truth: Labels, report: FitReport
) -> None:
    shuffled = Labels(truth.rows.sample(fraction=1, shuffle=True, seed=3), "truth")
    again = fit_score(interactions.reverse(), shuffled, current=DEFAULT_MODEL, seed=SEED)
    assert again.as_dict() == report.as_dict()
    other = fit_score(interactions, truth, current=DEFAULT_MODEL, seed=SEED + 1)
    assert set(other.held_out.rows["request_id"]) != set(report.held_out.rows["request_id"])


def test_weights_are_found_again(interactions: pl.DataFrame) -> None:
    """Labels drawn from a known model lead back to its weights where there is enough to see."""
    real = ScoreModel(weights={**PRIOR_WEIGHTS, "accept": 0.5, "rephrase": 3.0}, intercept=-0.5)
    rows = design(
        interactions, Labels(interactions.select("request_id", failed=pl.lit(value=True)), "x"), seed=1
    )
    logit = real.intercept + rows.x @ np.array([real.weights[name] for name in rows.terms])
    drawn = np.random.default_rng(2).random(len(logit)) < 1 / (1 + np.exp(-logit))
    labels = Labels(pl.DataFrame({"request_id": rows.rows["request_id"], "failed": drawn}), "drawn")
    found = {
        c.term: c for c in fit_score(interactions, labels, current=DEFAULT_MODEL, seed=1).fitted.coefficients
    }
    for term in ("intercept", "accept", "rephrase"):
        wanted = real.intercept if term == "intercept" else real.weights[term]
        each = found[term]
        assert abs(each.fitted - wanted) < 0.7 * abs(each.prior - wanted), term
    for term in ("copy", "outcome"):
        assert found[term].low < real.weights[term] < found[term].high


def test_outcomes_do_not_predict_themselves(home: Path, interactions: pl.DataFrame) -> None:
    labels = outcome_labels(Lake(home / "lake"))
    report = fit_score(interactions, labels, current=DEFAULT_MODEL, seed=SEED)
    column = report.train.terms.index("outcome")
    assert not report.train.x[:, column].any()
    assert report.fitted.model.weights["outcome"] == PRIOR_WEIGHTS["outcome"]
    assert report.as_dict()["terms_kept_from_priors"] == ["outcome"]
    assert report.measures["priors"].auc < 0.9


def test_evidence_no_labelled_request_shows_keeps_its_prior(report: FitReport) -> None:
    unseen = [c for c in report.fitted.coefficients if c.rows == 0]
    assert unseen
    for each in unseen:
        assert each.fitted == each.prior
        assert each.low < each.prior < each.high


def test_shuffled_labels_are_refused(interactions: pl.DataFrame, truth: Labels) -> None:
    shuffled = truth.rows["failed"].sample(fraction=1, shuffle=True, seed=4)
    labels = Labels(truth.rows.with_columns(failed=shuffled), "shuffled")
    report = fit_score(interactions, labels, current=DEFAULT_MODEL, seed=SEED)
    assert report.refusal is not None
    assert "no better than chance" in report.refusal


def test_a_fit_worse_than_the_priors_is_refused(interactions: pl.DataFrame, truth: Labels) -> None:
    """Labels that are wrong for the users fitted and right for those held out."""
    held_out = design(interactions, truth, seed=SEED)
    wrong = held_out.rows["request_id"].filter(pl.Series(~held_out.held_out))
    flipped = pl.col("failed") ^ pl.col("request_id").is_in(wrong.implode())
    report = fit_score(
        interactions, Labels(truth.rows.with_columns(flipped), "bad"), current=DEFAULT_MODEL, seed=SEED
    )
    assert report.refusal is not None


def test_too_few_labels_users_or_kinds_are_refused(interactions: pl.DataFrame, truth: Labels) -> None:
    one_kind = truth.rows.filter("failed")
    one_user = interactions.filter(pl.col("user_key").is_not_null())
    few_users = one_user.filter(pl.col("user_key") <= one_user["user_key"].unique().sort()[3])
    for rows in (
        truth.rows.head(30),
        truth.rows.clear(),
        one_kind,
        truth.rows.join(few_users, on="request_id", how="semi"),
    ):
        with pytest.raises(FitRefused, match="too few labels") as caught:
            fit_score(interactions, Labels(rows, "few"), current=DEFAULT_MODEL, seed=SEED)
        assert caught.value.hint


def test_a_handful_of_labels_moves_the_weights_a_little(interactions: pl.DataFrame, truth: Labels) -> None:
    few = Labels(truth.rows.sample(400, seed=1), "few")
    report = fit_score(interactions, few, current=DEFAULT_MODEL, seed=SEED)
    rare = [c for c in report.fitted.coefficients if 0 < c.rows <= 3]
    assert rare
    assert all(abs(c.fitted - c.prior) < 2.5 for c in rare)


def test_weights_in_force_are_compared_on_the_same_rows(
    interactions: pl.DataFrame, truth: Labels, report: FitReport
) -> None:
    again = fit_score(interactions, truth, current=report.fitted.model, seed=SEED)
    assert again.measures["current"] == again.measures["fitted"] == report.measures["fitted"]


def test_coverage_counts_requests_of_users_by_segment(
    home: Path, interactions: pl.DataFrame, report: FitReport
) -> None:
    users = interactions.filter(pl.col("actor") == "user")
    labels = outcome_labels(Lake(home / "lake"))
    found = fit_score(interactions, labels, current=DEFAULT_MODEL, seed=SEED)
    for by in {each.by for each in found.segments}:
        assert sum(e.requests for e in found.segments if e.by == by) == users.height
    errors = next(e for e in found.segments if (e.by, e.value) == ("finish_class", "error"))
    assert errors.coverage < 0.1
    assert errors in found.thin(0.1)
    assert report.thin(0.05) == []


def test_balanced_rows_stand_for_all_of_them(interactions: pl.DataFrame, truth: Labels) -> None:
    """Labels are ten times as likely where the user acted: weighed, their failure rate is that of all."""
    acted = interactions.filter(pl.col("has_accept") | pl.col("has_copy"))["request_id"]
    dice = np.random.default_rng(5).random(truth.rows.height)
    chance = truth.rows["request_id"].is_in(acted.implode()).replace_strict({True: 0.9, False: 0.25})
    picked = Labels(truth.rows.filter(pl.Series(dice) < chance), "picked")
    plain, balanced = (
        fit_score(interactions, picked, current=DEFAULT_MODEL, seed=SEED, balance=balance)
        for balance in (False, True)
    )
    assert balanced.as_dict()["inverse_propensity"] is True
    assert plain.fitted.model.version != balanced.fitted.model.version
    assert balanced.refusal is None
