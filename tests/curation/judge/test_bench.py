"""Settings to judges, feature by feature."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.errors import SettingsError
from contracts.settings import JudgeEndpointSettings, JudgeSettings, Settings
from curation.judge.bench import Bench
from curation.judge.budget import Budget, Limits
from curation.judge.panel import PanelComparer, PanelJudge
from curation.judge.rules import RulesJudge
from curation.judge.verdicts import UnjudgedReason
from tests.curation.judge.helpers import item
from tests.curation.judge.server import FakeServer
from tests.curation.judge.test_make_judge import RUBRIC

OWN = RUBRIC.replace('name = "mine"', 'name = "support"').replace(
    "[taxonomy]", '[taxonomy]\nfactual = "wrong"'
)


def bench(server: FakeServer, *, budget: Budget | None = None, **judge: object) -> Bench:
    fields = {
        "kind": "openai",
        "base_url": server.base_url,
        "model": "one",
        "api_key": SecretStr("k"),
    } | judge
    return Bench.from_settings(Settings(judge=JudgeSettings.model_validate(fields)), budget=budget)


def member(server: FakeServer, model: str) -> JudgeEndpointSettings:
    return JudgeEndpointSettings(base_url=server.base_url, model=model)


@pytest.fixture
def support(tmp_path: Path) -> str:
    path = tmp_path / "support.md"
    path.write_text(OWN)
    return str(path)


def test_the_rules_judge_compares_nothing_and_reads_as_before() -> None:
    found = Bench.from_settings(Settings())
    assert isinstance(found.judge_for("any"), RulesJudge)
    assert found.compare_for("any") is None
    assert not found.compares
    assert found.models_for("any") == ()
    assert found.manifest() == RulesJudge(found.judge_for("any").thresholds).epoch.manifest()  # type: ignore[attr-defined]


def test_one_judge_serves_every_feature(server: FakeServer) -> None:
    found = bench(server)
    assert found.judge_for("a") is found.judge_for("b")
    assert found.compare_for("a") is found.compare_for("b")
    assert found.epoch == found.judge_for("a").epoch
    said = found.manifest()
    assert (said["judge"], said["epoch"]) == ("openai:one", found.epoch.id)
    assert said["pairwise"] == {"*": found.compare_for("a").epoch.id}  # type: ignore[union-attr]
    assert (said["rewrites"], said["compare"], said["same_family"]) == (True, "rewrites", "flag")
    assert "features" not in said


def test_a_feature_with_its_own_rubric_has_its_own_epochs(server: FakeServer, support: str) -> None:
    Path(support).with_suffix(".pairwise.md").write_text(
        '+++\nname = "support"\nversion = "1"\ntask = "pairwise"\n+++\nPrefer the polite one.'
    )
    found = bench(server, rubrics={"support": support})
    own, default = found.judge_for("support"), found.judge_for("search")
    assert own.epoch.id != default.epoch.id
    assert own.epoch.rubric == "support@3"
    compares = found.compare_for("support")
    assert compares is not None
    assert compares.epoch.rubric == "support@1"
    assert set(found.epochs()) == {
        own.epoch.id,
        default.epoch.id,
        compares.epoch.id,
        found.compare_for("search").epoch.id,  # type: ignore[union-attr]
    }
    assert found.epoch.kind == "bench"
    assert found.epoch.id not in (own.epoch.id, default.epoch.id)
    assert found.manifest()["features"] == {"support": own.epoch.id}
    assert found.unknown_features(["search"]) == ["support"]
    assert found.unknown_features(["search", "support"]) == []


def test_the_same_rubric_for_a_feature_is_the_same_judge(server: FakeServer) -> None:
    found = bench(server, rubrics={"support": "default"})
    assert found.judge_for("support") is found.judge_for("search")
    assert found.epoch == found.judge_for("search").epoch


@pytest.mark.parametrize("text", [None, "no front matter", OWN.replace("[taxonomy]", 'task = "pairwise"')])
def test_an_unusable_rubric_of_a_feature_stops_at_the_start(
    server: FakeServer, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "broken.md"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=r"broken\.md"):
        bench(server, rubrics={"support": str(path)})


def test_a_panel_has_every_member_judge_and_compare(server: FakeServer, support: str) -> None:
    found = bench(server, panel=[member(server, "two")], rubrics={"support": support})
    for feature in ("support", "search"):
        judge, comparer = found.judge_for(feature), found.compare_for(feature)
        assert isinstance(judge, PanelJudge)
        assert isinstance(comparer, PanelComparer)
        assert found.models_for(feature) == found.compare_models_for(feature) == ("one", "two")
    assert found.judge_for("support").epoch.id != found.judge_for("search").epoch.id
    # per rubric a panel and its two members; comparisons share one rubric
    assert len(found.epochs()) == 3 + 3 + 3
    assert set(found.manifest()["epochs"]) == set(found.epochs())


def test_all_judges_spend_from_one_budget(server: FakeServer, support: str) -> None:
    budget = Budget(Limits(calls=3))
    found = bench(server, panel=[member(server, "two")], rubrics={"support": support}, budget=budget)
    first = found.judge_for("support").judge([item(1)])
    second = found.judge_for("search").judge([item(2)])
    assert first[0].verdict is not None
    assert second[0].reason is UnjudgedReason.BUDGET
    assert budget.spent.calls == len(server.requests) == 3


def test_one_judge_is_a_bench_of_its_own(server: FakeServer) -> None:
    judge = RulesJudge()
    found = Bench.over(judge, JudgeSettings())
    assert found.judge_for("any") is judge
    assert Bench.over(found, JudgeSettings()) is found
