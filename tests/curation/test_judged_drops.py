"""Drops judged by panels, by judges of features, and by judges of the family they judge."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from console.report.collect import sample_pairs
from contracts.settings import JudgeEndpointSettings
from curation.fate import fate
from curation.judge.bench import Bench, verdict_epochs
from sinks.drops.publish import published
from sinks.lake import Lake
from tests.curation.judge.server import FakeServer, better, preferred
from tests.curation.judge.test_bench import OWN
from tests.curation.judged_drops import (
    FAILED,
    examples,
    failed,
    judged_drop,
    judged_settings,
    manifest,
    published_pairs,
    reasons,
)
from tests.lakes import ingest, new_lake

CANBERRA = better(lambda text: "Canberra" in text)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


@pytest.fixture(autouse=True)
def _rewriting(server: FakeServer) -> None:
    server.good = dict(FAILED)
    server.prefer = CANBERRA


def member(server: FakeServer, model: str) -> JudgeEndpointSettings:
    return JudgeEndpointSettings(base_url=server.base_url, model=model)


def asked_of(server: FakeServer) -> Counter[str]:
    return Counter(request["model"] for request in server.requests)


def test_a_panel_judges_and_compares_with_every_member(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    ingest(lake, failed("a") + failed("b", response="It is Sydney, a large harbour town, surely."))
    settings = judged_settings(tmp_path, server, panel=[member(server, "other-2")])
    result = judged_drop(lake, settings)
    assert len(published_pairs(result)) == 2
    assert asked_of(server) == {"judge-1": 6, "other-2": 6}
    said = manifest(result)
    (panel,) = said["panel"].values()
    assert (panel["members"], panel["items"], panel["unanimous"]) == (
        ["openai:judge-1", "openai:other-2"],
        2,
        2,
    )
    assert {e["judge"] for e in said["pairwise"]["epochs"].values()} == {"openai:judge-1", "openai:other-2"}
    assert said["judge_cost"]["verdicts"] == 2
    assert said["judge_cost"]["input_tokens"] == 12 * 100
    assert {row["judge_epoch"] for row in examples(lake, result)} == {said["judge"]["epoch"]}
    rows = lake.scan("judgments").collect()
    panels = rows.filter(pl.col("judge") == "panel:judge-1+other-2")
    assert panels["verdict"].to_list() == ["fail", "fail"]
    # what the panel's own rows say was paid is paid once in the table
    assert rows["input_tokens"].sum() == 12 * 100


def test_members_that_differ_leave_the_row_to_people(lake: Lake, server: FakeServer, tmp_path: Path) -> None:
    original = server.reply

    def differ(body: dict[str, object]) -> dict[str, object]:
        if body["model"] == "other-2":
            return {**FAILED, "verdict": "pass", "failure_kind": None, "severity": None}
        return original(body)

    server.reply = differ  # type: ignore[method-assign]
    ingest(lake, failed("a"))
    result = judged_drop(lake, judged_settings(tmp_path, server, panel=[member(server, "other-2")]))
    assert reasons(lake, result) == {("request-a", "confirm"): "panel_split"}
    (panel,) = manifest(result)["panel"].values()
    assert (panel["items"], panel["split"]) == (1, 1)


def test_a_member_that_is_down_leaves_rows_unjudged_and_only_it_is_asked_again(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    original = server.answer

    async def down(fault: str, body: dict[str, object], request: object) -> object:
        return await original("status:503" if body["model"] == "other-2" else fault, body, request)  # type: ignore[arg-type]

    server.answer = down  # type: ignore[method-assign, assignment]
    ingest(lake, failed("a"))
    settings = judged_settings(tmp_path, server, panel=[member(server, "other-2")])
    first = judged_drop(lake, settings)
    assert reasons(lake, first) == {("request-a", "confirm"): "unjudged_unavailable"}
    server.answer = original  # type: ignore[method-assign]
    server.requests.clear()
    ingest(lake, failed("late", seconds=4_000), first_offset=10)
    second = judged_drop(lake, settings)
    assert len(published_pairs(second)) == 2
    # of the first request only the member that was down, of the new one both
    pointwise = [r["model"] for r in server.requests if "first response" not in str(r)]
    assert sorted(pointwise) == ["judge-1", "other-2", "other-2"]


def test_a_rewrite_one_member_does_not_prefer_is_refused(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    original = server.reply

    def differ(body: dict[str, object]) -> dict[str, object]:
        answer = original(body)
        if body["model"] == "other-2" and "winner" in answer:
            return preferred("second" if answer["winner"] == "first" else "first")
        return answer

    server.reply = differ  # type: ignore[method-assign]
    ingest(lake, failed("a"))
    result = judged_drop(lake, judged_settings(tmp_path, server, panel=[member(server, "other-2")]))
    assert reasons(lake, result) == {("request-a", "compare"): "panel_split"}
    assert [row["kind"] for row in examples(lake, result)] == ["unpaired"]


def test_each_feature_is_judged_by_its_rubric(lake: Lake, server: FakeServer, tmp_path: Path) -> None:
    support = tmp_path / "support.md"
    support.write_text(OWN)
    ingest(lake, failed("a", feature="support") + failed("b", feature="search"))
    settings = judged_settings(tmp_path, server, rubrics={"support": str(support)})
    bench = Bench.from_settings(settings)
    result = judged_drop(lake, settings)
    epochs = {row["request_ids"][0]: row["judge_epoch"] for row in examples(lake, result)}
    assert epochs == {
        "request-a": bench.judge_for("support").epoch.id,
        "request-b": bench.judge_for("search").epoch.id,
    }
    asked = [r["messages"][0]["content"] for r in server.requests if "Be strict." in str(r)]
    assert len(asked) == 1
    row = published(lake, result.drop_id)
    assert row is not None
    for request_id, epoch in epochs.items():
        found = fate(lake, request_id, row, [], verdict_epochs(manifest(result)["judge"])).verdict
        assert found is not None
        assert (found["epoch"], found["verdict"]) == (epoch, "fail")
    assert {pair.verdict for pair in sample_pairs(lake, result.drop_id)} == {"fail"}
    said = manifest(result)["judge"]
    assert (said["kind"], said["features"]) == ("bench", {"support": epochs["request-a"]})


def test_a_misspelt_feature_is_a_warning(
    lake: Lake, server: FakeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ingest(lake, failed("a", feature="search"))
    with caplog.at_level(logging.WARNING):
        judged_drop(lake, judged_settings(tmp_path, server, rubrics={"serach": "default"}))
    assert "serach" in caplog.text


def test_a_judge_of_the_writers_family_is_flagged(lake: Lake, server: FakeServer, tmp_path: Path) -> None:
    ingest(
        lake, failed("a", model="gpt-4o") + failed("b", model="claude-3-5-sonnet", prompt="And of Austria?")
    )
    server.good = {**FAILED, "improved_response": None}
    result = judged_drop(lake, judged_settings(tmp_path, server, model="gpt-4.1-mini"))
    flags = {row["request_ids"][0]: row["judge_family_match"] for row in examples(lake, result)}
    assert flags == {"request-a": True, "request-b": False}
    assert manifest(result)["judge_family"] == {"refused": 0, "judged": 1, "rows": 1}


def test_by_setting_a_judge_of_the_writers_family_is_not_even_asked(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    ingest(lake, failed("a", model="gpt-4o") + failed("b", model="claude-3-5-sonnet"))
    settings = judged_settings(tmp_path, server, model="gpt-4.1-mini", same_family="refuse")
    result = judged_drop(lake, settings)
    assert reasons(lake, result) == {
        ("request-a", "judge_family"): "judge_same_family",
        # its own rewrite cannot be preferred by anybody else
        ("request-b", "compare"): "same_family",
    }
    assert server.billed == 1
    assert [row["kind"] for row in examples(lake, result)] == ["unpaired"]
    assert manifest(result)["judge_family"]["refused"] == 1


def test_by_setting_a_rewrite_needs_a_member_of_another_family(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    ingest(lake, failed("b", model="llama-3-70b"))
    settings = judged_settings(
        tmp_path,
        server,
        model="gpt-4.1-mini",
        same_family="refuse",
        panel=[member(server, "claude-3-5-sonnet")],
    )
    result = judged_drop(lake, settings)
    (row,) = examples(lake, result)
    assert (row["pair_source"], row["judge_preference"], row["judge_family_match"]) == (
        "judge_rewrite",
        "chosen",
        True,
    )
    assert manifest(result)["pairwise"]["family_matches"] == 1
