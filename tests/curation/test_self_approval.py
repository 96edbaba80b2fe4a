from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from contracts.settings import CurationSettings
from curation.self_approval import cap_self_approved, mark, model_family
from curation.steps import StepResult
from tests.curation.final_rows import final_row, final_rows


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("qwen2.5-7b-instruct", "qwen"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen"),
        ("QwQ-32B", "qwen"),
        ("deepseek-r1-distill-qwen-7b", "qwen"),
        ("deepseek-ai/DeepSeek-V3", "deepseek"),
        ("ft:gpt-4o-mini-2024-07-18:acme::x1", "gpt"),
        ("o3-mini", "gpt"),
        ("gpt-4.1-mini", "gpt"),
        ("mixtral-8x7b", "mistral"),
        ("mistral.mistral-7b-instruct-v0:2", "mistral"),
        ("us.anthropic.claude-3-5-sonnet-20240620-v1:0", "claude"),
        ("meta-llama/Meta-Llama-3-8B", "llama"),
        ("accounts/fireworks/models/llama-v3p1-8b", "llama"),
        ("llama3.1:8b", "llama"),
        ("google/gemma-2-9b", "gemma"),
        ("models/gemini-1.5-pro", "gemini"),
        ("qwen", "qwen"),
        ("openai", "openai"),
        ("4.1", None),
        ("", None),
        (None, None),
    ],
)
def test_family_of_a_model_name(name: str | None, family: str | None) -> None:
    assert model_family(name) == family


def rows(own: int, others: int, **fields: Any) -> pl.DataFrame:
    made = [final_row(f"own{n}", chosen_model="qwen2.5-7b", **fields) for n in range(own)]
    made += [final_row(f"other{n}", chosen_model="gpt-4.1") for n in range(others)]
    return final_rows(made).with_columns(
        example_id=pl.col("request_ids").list.first(), design_weight=1.0 / pl.col("inclusion_probability")
    )


def capped(frame: pl.DataFrame, **curation: Any) -> StepResult:
    return cap_self_approved(frame, CurationSettings(**{"target_family": "Qwen/Qwen3-8B", **curation}))


def test_own_answers_are_marked_and_capped_at_their_share() -> None:
    result = capped(rows(30, 30))
    assert result.kept["self_approved"].sum() == 10
    assert result.kept.height == 40
    assert result.stats()["refused"] == {"self_approval_cap": 20}
    assert set(result.refused["detail"]) == {"chosen side by qwen2.5-7b"}


@pytest.mark.parametrize(
    ("curation", "kept", "marked"),
    [
        ({"target_family": ""}, 12, 0),
        ({"target_family": "llama"}, 12, 0),
        ({"self_approval_share": 1.0}, 12, 6),
        ({"self_approval_share": 0.0}, 6, 0),
        ({"self_approval_share": 0.5}, 12, 6),
    ],
)
def test_settings(curation: dict[str, Any], kept: int, marked: int) -> None:
    result = capped(rows(6, 6), **curation)
    assert (result.kept.height, result.kept["self_approved"].sum()) == (kept, marked)


def test_the_base_model_counts_and_people_do_not() -> None:
    frame = final_rows(
        [
            final_row("tuned", chosen_model="support-v3", chosen_base_model="Qwen/Qwen2.5-7B"),
            final_row("person", chosen_model=None),
        ]
    )
    assert mark(frame, CurationSettings(target_family="qwen"))["self_approved"].to_list() == [True, False]


def test_safety_rows_are_marked_but_never_refused() -> None:
    result = capped(rows(9, 0, safety=True))
    assert result.kept.height == 9
    assert result.kept["self_approved"].all()


def test_weights_stay_unbiased_and_the_order_of_rows_does_not_matter() -> None:
    frame = rows(12, 9, inclusion_probability=0.5).with_columns(x=pl.Series(np.arange(21.0)))
    truth = (frame["x"] / frame["inclusion_probability"]).sum()
    estimates = []
    for seed in range(600):
        kept = capped(frame, seed=seed).kept
        estimates.append((kept["x"] / kept["inclusion_probability"]).sum())
        assert (kept["design_weight"] * kept["inclusion_probability"] - 1).abs().max() < 1e-9
    assert abs(np.mean(estimates) - truth) < 4 * np.std(estimates) / np.sqrt(600)
    shuffled = capped(frame.sample(fraction=1, shuffle=True, seed=2))
    assert shuffled.kept.sort("example_id").equals(capped(frame).kept.sort("example_id"))


def test_no_rows() -> None:
    result = capped(rows(0, 0))
    assert result.stats() == {"step": "self_approval", "in": 0, "out": 0, "refused": {}}
