"""The failure score: additive, explained, versioned; silence adds nothing."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.tables import frame_schema
from contracts.tables.silver import EDIT_CLASSES, FINISH_CLASSES
from curation.scoring import DEFAULT_MODEL, PRIOR_WEIGHTS, ScoreModel, evidence, score
from joiners.interactions import FEATURE_COLUMNS
from tests.factories import table_rows

SILENT: dict[str, Any] = {
    name: 0
    for name, dtype in frame_schema("interactions").items()
    if dtype == pl.Int32 and name.endswith("_count")
}
COUNTS = ("regenerate", "retry", "undo", "copy", "accept", "escalate", "report")


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return table_rows("interactions", [SILENT | row for row in rows]).select(FEATURE_COLUMNS)


def scored(model: ScoreModel = DEFAULT_MODEL, **features: Any) -> dict[str, Any]:
    return score(frame([features]), model).row(0, named=True)


def contributions(row: dict[str, Any]) -> dict[str, float]:
    return {item["signal"]: item["contribution"] for item in row["contributions"]}


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


_unit = st.floats(0, 1)
_rows = st.lists(
    st.fixed_dictionaries(
        {
            "thumbs": _maybe(st.floats(-1, 1)),
            "rating": _maybe(st.floats(1, 5)),
            "has_edit": st.booleans(),
            "edit_ratio": _maybe(_unit),
            "rephrase_similarity": _maybe(_unit),
            "dwell_ms": _maybe(st.floats(0, 10_000)),
            "abandoned": _maybe(st.booleans()),
            "outcome_success": _maybe(_unit),
            "edit_class": _maybe(st.sampled_from(EDIT_CLASSES)),
            "rephrase_chain": _maybe(st.integers(0, 6)),
            "unfinished": _maybe(st.booleans()),
            "finish_class": st.sampled_from(FINISH_CLASSES),
            **{f"{name}_count": st.integers(0, 3) for name in COUNTS},
        }
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=50, deadline=None)
@given(_rows)
def test_contributions_sum_to_the_logit(rows: list[dict[str, Any]]) -> None:
    for row in score(frame(rows)).to_dicts():
        logit = DEFAULT_MODEL.intercept + math.fsum(contributions(row).values())
        assert row["failure_score"] == pytest.approx(1 / (1 + math.exp(-logit)))
        assert 0 <= row["failure_score"] <= 1


@settings(max_examples=50, deadline=None)
@given(_rows)
def test_contributions_are_weight_times_evidence_row_by_row(rows: list[dict[str, Any]]) -> None:
    features = frame(rows)
    for i, row in enumerate(score(features).to_dicts()):
        alone = features[i].select(expr.alias(name) for name, expr in evidence().items()).row(0, named=True)
        wanted = {n: x * PRIOR_WEIGHTS[n] for n, x in alone.items() if x}
        found = contributions(row)
        assert found == pytest.approx(wanted)
        assert [n for n in evidence() if n in found] == list(found)


@settings(max_examples=50, deadline=None)
@given(_rows)
def test_evidence_is_bounded(rows: list[dict[str, Any]]) -> None:
    for row in frame(rows).select(expr.alias(name) for name, expr in evidence().items()).iter_rows():
        assert all(x is None or -1 <= x <= 1 for x in row)


def test_what_was_not_observed_adds_nothing() -> None:
    row = scored()
    assert row["contributions"] == []
    assert row["failure_score"] == pytest.approx(0.15)
    assert row["failure_hint"] == "unknown"


@pytest.mark.parametrize(
    ("features", "signal", "worse", "hint"),
    [
        ({"thumbs": -1.0}, "thumbs", True, "preference"),
        ({"thumbs": 1.0}, "thumbs", False, "unknown"),
        ({"rating": 1.0}, "rating", True, "preference"),
        ({"rating": 5.0}, "rating", False, "unknown"),
        ({"has_edit": True, "edit_ratio": 0.5}, "edit", True, "preference"),
        ({"has_edit": True}, "edit", True, "preference"),
        ({"has_edit": True, "edit_class": "corrective", "edit_ratio": 0.01}, "edit", True, "preference"),
        ({"has_edit": True, "edit_class": "rewrite", "edit_ratio": 0.9}, "edit", True, "preference"),
        ({"has_edit": True, "edit_class": "opposite", "edit_ratio": 0.01}, "edit_opposite", True, "factual"),
        ({"regenerate_count": 2}, "regenerate", True, "preference"),
        ({"retry_count": 1}, "retry", True, "preference"),
        ({"rephrase_similarity": 0.9}, "rephrase", True, "preference"),
        ({"rephrase_similarity": 0.9, "rephrase_chain": 1}, "rephrase", True, "preference"),
        ({"rephrase_similarity": 0.9, "rephrase_chain": 3}, "rephrase_chain", True, "preference"),
        ({"retry_count": 1, "rephrase_chain": 2}, "rephrase_chain", True, "preference"),
        ({"regenerate_count": 1, "rephrase_chain": 3}, "regenerate", True, "preference"),
        ({"undo_count": 1}, "undo", True, "factual"),
        ({"copy_count": 1}, "copy", False, "unknown"),
        ({"accept_count": 1}, "accept", False, "unknown"),
        ({"report_count": 1}, "report", True, "factual"),
        ({"finish_class": "error"}, "error", True, "operational"),
        ({"finish_class": "truncated"}, "truncated", True, "operational"),
        ({"unfinished": True}, "unfinished", True, "operational"),
        ({"finish_class": "empty"}, "empty", True, "operational"),
        ({"finish_class": "truncated", "unfinished": True}, "truncated", True, "operational"),
        ({"finish_class": "refusal"}, "refusal", True, "preference"),
        ({"outcome_success": 0.0}, "outcome", True, "factual"),
        ({"outcome_success": 1.0}, "outcome", False, "unknown"),
    ],
)
def test_each_signal_moves_the_score_its_way(
    features: dict[str, Any], signal: str, worse: bool, hint: str
) -> None:
    row = scored(**features)
    assert set(contributions(row)) == {signal}
    assert (row["failure_score"] > 0.15) == worse
    assert row["failure_hint"] == hint


def test_a_cosmetic_edit_and_an_unrelated_prompt_say_nothing() -> None:
    assert scored(has_edit=True, edit_ratio=0.0)["contributions"] == []
    assert scored(has_edit=True, edit_class="cosmetic", edit_ratio=0.4)["contributions"] == []
    assert scored(rephrase_similarity=0.2)["contributions"] == []


def test_accepting_ones_own_correction_does_not_speak_for_the_response() -> None:
    corrected = scored(has_edit=True, edit_ratio=0.6, accept_count=1, copy_count=1, outcome_success=1.0)
    assert set(contributions(corrected)) == {"edit"}


def test_a_longer_chain_is_stronger_and_never_weaker_than_one_rephrase() -> None:
    found = [
        contributions(scored(rephrase_similarity=0.9, rephrase_chain=n)).popitem()[1] for n in range(1, 6)
    ]
    assert found == pytest.approx([1.6, 1.6, 2.4, 2.4, 2.4])


def test_an_opposite_edit_is_stronger_than_a_corrective_one() -> None:
    corrected, turned = (
        scored(has_edit=True, edit_class=kind, edit_ratio=0.1)["failure_score"]
        for kind in ("corrective", "opposite")
    )
    assert turned > corrected


def test_a_truncated_text_that_ends_well_is_half_evidence() -> None:
    cut, whole = (
        contributions(scored(finish_class="truncated", unfinished=u))["truncated"] for u in (True, False)
    )
    assert whole == cut / 2


def test_five_stars_on_a_rewritten_text_disagree() -> None:
    torn = scored(rating=5.0, has_edit=True, edit_class="rewrite", edit_ratio=0.8)
    weaker = min(PRIOR_WEIGHTS["rating"], PRIOR_WEIGHTS["edit"])
    assert torn["disagreement"] == pytest.approx(2 / (1 + math.exp(-weaker)) - 1)
    assert torn["disagreement"] > 0.8
    assert scored(thumbs=-1.0, copy_count=1)["disagreement"] < torn["disagreement"]


@pytest.mark.parametrize(
    "features", [{}, {"rating": 5.0, "accept_count": 1}, {"thumbs": -1.0, "undo_count": 1}]
)
def test_evidence_that_points_one_way_does_not_disagree(features: dict[str, Any]) -> None:
    assert scored(**features)["disagreement"] == 0.0


@settings(max_examples=50, deadline=None)
@given(_rows)
def test_disagreement_is_bounded_and_needs_both_sides(rows: list[dict[str, Any]]) -> None:
    for row in score(frame(rows)).to_dicts():
        signs = {c > 0 for c in contributions(row).values()}
        assert 0 <= row["disagreement"] <= 1
        assert (row["disagreement"] > 1e-9) == (len(signs) == 2) or row["disagreement"] < 1e-6


def test_the_version_follows_the_weights() -> None:
    same = ScoreModel(weights=dict(reversed(PRIOR_WEIGHTS.items())))
    heavier = ScoreModel(weights={**PRIOR_WEIGHTS, "thumbs": 3.1})
    moved = ScoreModel(intercept=-1.0)
    assert same.version == DEFAULT_MODEL.version
    assert len({DEFAULT_MODEL.version, heavier.version, moved.version}) == 3
    assert DEFAULT_MODEL.version.startswith("priors-")
    assert scored(heavier)["score_version"] == heavier.version


def test_no_rows_are_scored_too() -> None:
    empty = score(frame([{}]).clear())
    assert empty.is_empty()
    wanted = ("failure_score", "contributions", "disagreement", "failure_hint", "score_version")
    assert {n: empty.schema[n] for n in wanted} == {n: frame_schema("interactions")[n] for n in wanted}
