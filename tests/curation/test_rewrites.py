"""Judge-written improvements become pairs only when the judge prefers them in both orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from curation.judge.bench import Bench
from curation.nightly import make_drop
from curation.rewrites import is_answer
from sinks.lake import Lake
from sinks.transactions import append_once
from tests.curation.dialogues import RIGHT, WRONG, edited, regenerated
from tests.curation.judge.server import FakeServer, always_first, better
from tests.curation.judged_drops import (
    FAILED,
    NOW_US,
    examples,
    failed,
    judged_drop,
    judged_settings,
    manifest,
    published_pairs,
    reasons,
)
from tests.curation.test_nightly_contamination import LEAK, registered
from tests.lakes import ingest, new_lake

CANBERRA = better(lambda text: "Canberra" in text)


def margins(lake: Lake) -> list[float]:
    return lake.scan("preferences").collect()["margin"].to_list()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


@pytest.fixture(autouse=True)
def _rewriting(server: FakeServer) -> None:
    server.good = dict(FAILED)
    server.prefer = CANBERRA


def test_a_preferred_rewrite_becomes_a_pair_and_says_where_it_is_from(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    ingest(lake, failed("a"))
    result = judged_drop(lake, judged_settings(tmp_path, server))
    assert published_pairs(result) == [
        {
            "prompt": [{"role": "user", "content": "What is the capital of Australia? (a)"}],
            "chosen": [{"role": "assistant", "content": RIGHT}],
            "rejected": [{"role": "assistant", "content": WRONG}],
            "margin": pytest.approx(2 / 3 * 0.9),
        }
    ]
    (row,) = examples(lake, result)
    assert (row["pair_source"], row["source_type"], row["judge_preference"]) == (
        "judge_rewrite",
        "synthetic",
        "chosen",
    )
    assert row["request_ids"] == ["request-a"]
    assert row["judge_family_match"] is True
    assert margins(lake) == [pytest.approx(2 / 3 * 0.9)]
    assert len(row["evidence_ids"]) == 2
    assert server.billed == 3
    said = manifest(result)
    assert said["judge_cost"]["verdicts"] == said["judge_cost"]["comparisons"] == 1
    assert said["judge_cost"]["input_tokens"] == 300
    block = said["pairwise"]
    assert block["rewrites"] == {"compared": 1, "kept": 1, "redacted_spans": {}}
    (epoch,) = block["epochs"].values()
    assert (epoch["judge"], epoch["comparisons"], epoch["consistent"]) == ("openai:judge-1", 1, 1)
    assert epoch["inconsistency_rate"]["value"] == 0.0


@pytest.mark.parametrize(
    ("prefer", "reason"),
    [
        (better(lambda text: "Sydney, a large" in text), "not_preferred"),
        (always_first, "order_inconsistent"),
        (better(lambda _: 0), "tie"),
        (lambda _first, _second: {"nonsense": 1}, "unjudged_invalid_answer"),
    ],
)
def test_a_refused_rewrite_leaves_the_failure_unpaired(
    lake: Lake, server: FakeServer, tmp_path: Path, prefer: Any, reason: str
) -> None:
    server.prefer = prefer
    ingest(lake, failed("a"))
    result = judged_drop(lake, judged_settings(tmp_path, server))
    assert published_pairs(result) == []
    assert reasons(lake, result) == {("request-a", "compare"): reason}
    (row,) = examples(lake, result)
    assert (row["kind"], row["label"], row["judge_preference"]) == ("unpaired", False, None)
    assert row["request_ids"] == ["request-a"]


def test_a_judge_that_follows_the_order_gives_peoples_pairs_no_margin(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    server.prefer = always_first
    server.good = {**FAILED, "improved_response": None}
    ingest(lake, edited("a"))
    result = judged_drop(lake, judged_settings(tmp_path, server, compare="all"))
    assert [row["judge_preference"] for row in examples(lake, result)] == ["inconsistent"]
    assert margins(lake) == [0.0]


def test_a_response_that_calls_a_tool_is_not_rewritten(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    call = {"type": "tool_call", "id": "c1", "name": "search", "arguments": {"q": "Sydney"}}
    events = failed("a", output_messages=[{"role": "assistant", "parts": [call]}])
    del events[0][1]["response"]
    ingest(lake, events)
    result = judged_drop(lake, judged_settings(tmp_path, server))
    assert [row["kind"] for row in examples(lake, result)] == ["unpaired"]
    assert server.billed == 1


def test_tool_calls_in_the_prompt_are_shown_to_who_compares(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    messages = [
        {"role": "user", "parts": [{"type": "text", "content": "Capital?"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "atlas", "arguments": {"of": "Australia"}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "see page 7"}]},
    ]
    events = failed("a", input_messages=messages)
    del events[0][1]["prompt"]
    ingest(lake, events)
    result = judged_drop(lake, judged_settings(tmp_path, server))
    assert len(published_pairs(result)) == 1
    (one, _) = [t for r in server.requests if "first response" in (t := r["messages"][1]["content"])]
    for part in ("atlas", "Australia", "see page 7"):
        assert part in one


def test_what_people_wrote_or_took_beats_a_rewrite(lake: Lake, server: FakeServer, tmp_path: Path) -> None:
    ingest(lake, edited("a") + regenerated("b") + failed("c"))
    server.good = {**FAILED, "improved_response": f"{RIGHT} Canberra!"}
    result = judged_drop(lake, judged_settings(tmp_path, server))
    sources = {row["request_ids"][0]: row["pair_source"] for row in examples(lake, result)}
    assert sources == {
        "request-a": "user_edit",
        "request-b": "regenerate_accept",
        "request-c": "judge_rewrite",
    }
    # only the rewrite is compared
    assert manifest(result)["pairwise"]["people"] == {}
    assert server.billed == 3 + 2


def test_peoples_pairs_are_compared_for_their_margin_and_never_refused(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    server.prefer = better(lambda text: "Sydney, a large" in text)
    server.good = {**FAILED, "improved_response": None}
    ingest(lake, edited("a") + regenerated("b"))
    result = judged_drop(lake, judged_settings(tmp_path, server, compare="all"))
    rows = examples(lake, result)
    assert {row["judge_preference"] for row in rows} == {"rejected"}
    assert margins(lake) == [pytest.approx(-2 / 3 * 0.9)] * 2
    assert len(published_pairs(result)) == len(rows) == 2
    assert manifest(result)["pairwise"]["people"] == {"rejected": 2}


def test_without_the_setting_nothing_is_rewritten_or_compared(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    ingest(lake, failed("a"))
    result = judged_drop(lake, judged_settings(tmp_path, server, rewrites=False))
    assert [row["kind"] for row in examples(lake, result)] == ["unpaired"]
    assert server.billed == 1


def test_a_rewrite_is_redacted_before_anybody_sees_it(lake: Lake, server: FakeServer, tmp_path: Path) -> None:
    server.good = {**FAILED, "improved_response": f"{RIGHT} Ask jane.roe@example.org about it."}
    ingest(lake, failed("a"))
    result = judged_drop(lake, judged_settings(tmp_path, server))
    (pair,) = published_pairs(result)
    assert "jane.roe" not in str(pair)
    assert "Canberra" in pair["chosen"][0]["content"]
    compared = [r for r in server.requests if "first response" in r["messages"][1]["content"]]
    assert len(compared) == 2
    assert "jane.roe" not in str(compared)
    assert sum(manifest(result)["pairwise"]["rewrites"]["redacted_spans"].values()) == 1


@pytest.mark.parametrize(("improved", "reason"), [(WRONG, "identical_sides"), ("   ", None), (None, None)])
def test_a_rewrite_that_says_nothing_new_is_not_even_compared(
    lake: Lake, server: FakeServer, tmp_path: Path, improved: str | None, reason: str | None
) -> None:
    server.good = {**FAILED, "improved_response": improved}
    ingest(lake, failed("a"))
    result = judged_drop(lake, judged_settings(tmp_path, server))
    assert server.billed == 1
    assert [row["kind"] for row in examples(lake, result)] == ["unpaired"]
    assert reasons(lake, result) == ({("request-a", "rewrites"): reason} if reason else {})


def test_the_same_night_again_costs_nothing_and_gives_the_same_rows(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    ingest(lake, failed("a") + failed("b", response=f"{WRONG} Or Melbourne."))
    first = judged_drop(lake, judged_settings(tmp_path, server))
    paid = server.billed
    elsewhere = judged_settings(tmp_path, server).model_copy(update={"home": tmp_path / "again"})
    other = new_lake(tmp_path / "again" / "lake")
    ingest(other, failed("a") + failed("b", response=f"{WRONG} Or Melbourne."))
    verdicts = lake.scan("judgments").collect()
    append_once(other, "judgments", verdicts, batch_id="copied")
    second = make_drop(other, elsewhere.drops_root, elsewhere, Bench.from_settings(elsewhere), now_us=NOW_US)
    assert server.billed == paid
    assert second.spent.calls == 0
    assert published_pairs(first) == published_pairs(second)
    assert manifest(first)["judge_cost"] == manifest(second)["judge_cost"]
    assert manifest(first)["pairwise"] == manifest(second)["pairwise"]


def test_answers_are_words_and_calls_are_not() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}
    said = {"role": "assistant", "content": "yes"}
    assert is_answer(msgspec.json.encode([said]).decode())
    assert not is_answer(msgspec.json.encode([call]).decode())
    assert not is_answer(msgspec.json.encode([{**call, "content": "let me see"}]).decode())


def test_a_rewrite_that_holds_an_eval_item_is_refused_before_it_is_compared(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    registered(lake, tmp_path, LEAK)
    server.good = {**FAILED, "improved_response": f"{RIGHT} {LEAK}"}
    ingest(lake, failed("a"))
    result = judged_drop(lake, judged_settings(tmp_path, server))
    assert reasons(lake, result) == {("request-a", "rewrite_contamination"): "contaminated"}
    assert [row["kind"] for row in examples(lake, result)] == ["unpaired"]
    assert server.billed == 1
    assert published_pairs(result) == []


def test_a_judge_that_may_not_decide_alone_writes_no_pair(
    lake: Lake, tmp_path: Path, server: FakeServer
) -> None:
    ingest(lake, failed("a"))
    settings = judged_settings(tmp_path, server, alone="calibrated")
    result = judged_drop(lake, settings)
    # the evidence seconds that it failed, but nothing can second what the judge wrote
    assert reasons(lake, result) == {("request-a", "rewrite_trust"): "judge_uncalibrated"}
    assert [row["pair_source"] for row in examples(lake, result)] == ["one_sided"]
