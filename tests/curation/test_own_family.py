"""Requests whose response the judge's own family wrote."""

from __future__ import annotations

import polars as pl
import pytest

from contracts.settings import JudgeSettings
from curation.judge.bench import Bench
from curation.judge.panel import PanelJudge
from curation.judge.routing import ROUTED_SCHEMA
from curation.own_family import own_family, to_people
from tests.curation.final_rows import light_rows
from tests.curation.judge.helpers import openai_judge

URL = "http://127.0.0.1:9/v1"


def rows() -> pl.DataFrame:
    models = ["gpt-4o", "claude-3-5", None, "my-tune"]
    bases: list[str | None] = [None, None, None, "openai/gpt-4o-mini"]
    return light_rows(4, model=models, base_model=bases).with_columns(
        request_ids=pl.concat_list("request_id")
    )


def bench(*models: str, same_family: str = "flag") -> Bench:
    members = [openai_judge(URL, model=model) for model in models]
    judge = members[0] if len(members) == 1 else PanelJudge(members)
    return Bench.of(judge, settings=JudgeSettings.model_validate({"same_family": same_family}))


@pytest.mark.parametrize("models", [("gpt-4.1",), ("gpt-4.1", "llama-3")])
def test_a_match_of_any_judge_is_flagged(models: tuple[str, ...]) -> None:
    found = own_family(rows(), bench(*models))
    assert found.kept["judge_family_match"].to_list() == [True, False, False, True]
    assert found.refused.is_empty()


def test_by_setting_rows_without_an_independent_judge_go_to_people() -> None:
    alone = bench("gpt-4.1", same_family="refuse")
    found = own_family(rows(), alone)
    assert found.kept["request_id"].to_list() == ["r1", "r2"]
    assert found.stats()["refused"] == {"judge_same_family": 2}
    routed = to_people(rows(), found.kept, alone)
    assert routed.schema == ROUTED_SCHEMA
    assert routed["request_id"].to_list() == ["r0", "r3"]
    assert routed["epoch"].unique().to_list() == [alone.epoch.id]
    assert own_family(rows(), bench("gpt-4.1", "llama-3", same_family="refuse")).refused.is_empty()
    assert own_family(rows(), bench("gpt-4.1", "gpt-4o", same_family="refuse")).kept.height == 2
