"""Batch mode over real HTTP: what is sent, what is booked, what every kind of line becomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.errors import JudgeRefused
from contracts.settings import JudgeSettings
from curation.judge.base import make_judge
from curation.judge.batch import BatchAsker
from curation.judge.batch_files import FileLimits
from curation.judge.batch_place import Batches
from curation.judge.verdicts import Judgment, Spend, UnjudgedReason, total_spent
from tests.curation.judge.batch_helpers import BATCH_PRICES, batch_judge, records
from tests.curation.judge.batch_server import BatchServer
from tests.curation.judge.helpers import KEY, item, openai_judge
from tests.curation.judge.server import INPUT_TOKENS, OUTPUT_TOKENS, FakeServer

ITEMS = [item(n) for n in range(1, 6)]
MARKERS = [f"item-{n}" for n in range(1, 6)]


def test_a_batch_gives_the_same_verdicts_as_live_at_its_own_price(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    told: list[Judgment] = []
    judge = batch_judge(server.base_url, tmp_path)
    judgments = judge.judge(ITEMS, on_judgment=told.append)
    live = openai_judge(server.base_url)
    for mine, theirs in zip(judgments, live.judge(ITEMS), strict=True):
        assert mine.verdict is not None
        assert theirs.verdict is not None
        assert (mine.request_id, mine.epoch) == (theirs.request_id, theirs.epoch)
        assert mine.verdict.rationale == theirs.verdict.rationale
        assert mine.verdict.cost_usd == pytest.approx(theirs.verdict.cost_usd / 2)
    assert judge.epoch.id == live.epoch.id
    assert sorted(j.request_id for j in told) == sorted(i.request_id for i in ITEMS)
    assert total_spent(judgments) == Spend(
        calls=5,
        input_tokens=5 * INPUT_TOKENS,
        output_tokens=5 * OUTPUT_TOKENS,
        cost_usd=pytest.approx(BATCH_PRICES.cost(5 * INPUT_TOKENS, 5 * OUTPUT_TOKENS)),
    )
    assert judge.asker.budget.spent == total_spent(judgments)
    assert judge.asker.budget.reserved == Spend(cost_usd=pytest.approx(0))


def test_lines_hold_the_very_requests_of_the_live_judge(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batch_judge(server.base_url, tmp_path).judge(ITEMS)
    openai_judge(server.base_url, concurrency=1).judge(ITEMS)
    (lines,) = batches.uploads
    assert [line["body"] for line in lines] == server.requests
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
    assert {h["authorization"] for h in batches.headers} == {f"Bearer {KEY}"}


def test_progress_is_told_while_polling(server: FakeServer, batches: BatchServer, tmp_path: Path) -> None:
    batches.polls_needed = 4
    told: list[tuple[int, int]] = []
    batch_judge(server.base_url, tmp_path, lambda done, total: told.append((done, total))).judge(ITEMS)
    assert told == [(0, 5), (0, 5), (0, 5), (5, 5)]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("missing", UnjudgedReason.UNAVAILABLE),
        ("garbled", UnjudgedReason.UNAVAILABLE),
        ("status:500", UnjudgedReason.UNAVAILABLE),
        ("status:429", UnjudgedReason.RATE_LIMITED),
        ("status:400", UnjudgedReason.REJECTED),
        ("error:batch_expired", UnjudgedReason.TIMEOUT),
        ("error:something we do not know", UnjudgedReason.UNAVAILABLE),
        ("refusal", UnjudgedReason.REFUSAL),
        ("filter", UnjudgedReason.CONTENT_FILTER),
        ("empty_choices", UnjudgedReason.EMPTY_ANSWER),
    ],
)
def test_a_line_that_failed_is_one_unjudged_item_and_is_asked_again_by_the_next_run(
    server: FakeServer, batches: BatchServer, tmp_path: Path, fault: str, reason: UnjudgedReason
) -> None:
    batches.lines["item-3"] = fault
    judge = batch_judge(server.base_url, tmp_path)
    judgments = judge.judge(ITEMS)
    assert [j.reason for j in judgments] == [None, None, reason, None, None]
    assert not {"user", "text", "know"} & set(judgments[2].detail.split())
    readable = server.billed - (fault == "garbled")
    assert total_spent(judgments).input_tokens == readable * INPUT_TOKENS
    assert judge.asker.budget.reserved.calls == 0

    batches.lines.clear()
    again = batch_judge(server.base_url, tmp_path).judge([ITEMS[2]])
    assert again[0].verdict is not None
    assert [len(lines) for lines in batches.uploads] == [5, 1]


def test_duplicated_and_garbled_lines_do_not_disturb_the_others(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.garbage = b'{"custom_id": 7}\n\xff\xfe\n[]\nnull\n{"custom_id": "stranger", "response": null}\n'
    batches.lines["item-2"] = "twice"
    judgments = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert all(j.verdict for j in judgments)
    assert judgments[1].spent.input_tokens == INPUT_TOKENS


@pytest.mark.parametrize("fault", ["wrong", "truncated"])
def test_an_answer_that_does_not_fit_is_repaired_live(
    server: FakeServer, batches: BatchServer, tmp_path: Path, fault: str
) -> None:
    server.script["item-3"] = [fault]
    judge = batch_judge(server.base_url, tmp_path)
    judgments = judge.judge(ITEMS)
    assert all(j.verdict for j in judgments)
    assert [len(r["messages"]) for r in server.requests] == [4]
    full = BATCH_PRICES.cost(INPUT_TOKENS, OUTPUT_TOKENS) * 2
    assert judgments[2].spent.calls == 2
    assert judgments[2].spent.cost_usd == pytest.approx(full * 1.5)
    assert judge.asker.budget.spent == total_spent(judgments)


def test_an_answer_beyond_repair_is_not_kept(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    server.always = "wrong"
    judgments = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert {j.reason for j in judgments} == {UnjudgedReason.INVALID_ANSWER}
    assert records(tmp_path) == []


@pytest.mark.parametrize(
    ("ending", "reason"),
    [("expired", UnjudgedReason.TIMEOUT), ("cancelled", UnjudgedReason.UNAVAILABLE)],
)
def test_of_a_batch_that_ended_early_the_answers_given_count(
    server: FakeServer, batches: BatchServer, tmp_path: Path, ending: str, reason: UnjudgedReason
) -> None:
    batches.ending, batches.answered = ending, 3
    judgments = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert [j.reason for j in judgments] == [None] * 3 + [reason] * 2
    assert total_spent(judgments).calls == 3
    batches.ending = "completed"
    again = batch_judge(server.base_url, tmp_path).judge(ITEMS[3:])
    assert all(j.verdict for j in again)
    assert batches.paid == dict.fromkeys(MARKERS, 1)


def test_what_the_budget_does_not_allow_is_not_uploaded(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    judge = batch_judge(server.base_url, tmp_path, max_calls=3)
    judgments = judge.judge(ITEMS)
    assert [j.reason for j in judgments] == [None] * 3 + [UnjudgedReason.BUDGET] * 2
    assert {j.detail for j in judgments[3:]} == {"the budget leaves no calls for it"}
    assert len(batches.uploads[0]) == 3


def test_a_limit_on_money_reserves_estimates_at_the_price_of_batches(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    items = [item(n) for n in range(100)]
    judgments = batch_judge(server.base_url, tmp_path, max_cost_usd=0.05).judge(items)
    assert 0 < len(batches.uploads[0]) < 100
    assert total_spent(judgments).cost_usd <= 0.05
    assert {j.reason for j in judgments if not j.verdict} == {UnjudgedReason.BUDGET}
    assert sum(j.verdict is not None for j in judgments) == len(batches.uploads[0])


def test_no_budget_and_nothing_to_judge_upload_nothing(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    judge = batch_judge(server.base_url, tmp_path, max_calls=0)
    assert [j.reason for j in judge.judge(ITEMS[:1])] == [UnjudgedReason.BUDGET]
    assert judge.judge([]) == []
    assert not batches.calls


def test_files_keep_the_limits_of_the_api(server: FakeServer, batches: BatchServer, tmp_path: Path) -> None:
    judgments = batch_judge(server.base_url, tmp_path, limits=FileLimits(requests=2)).judge(ITEMS)
    assert all(j.verdict for j in judgments)
    assert [len(lines) for lines in batches.uploads] == [2, 2, 1]
    whole = len(json.dumps(batches.uploads[0][0]))
    limits = FileLimits(size_bytes=int(whole * 2.5))
    judgments = batch_judge(server.base_url, tmp_path / "other", limits=limits).judge(
        [*ITEMS, item(6, "x" * 3 * whole)]
    )
    assert [j.reason for j in judgments] == [None] * 5 + [UnjudgedReason.TOO_LONG]
    assert [len(lines) for lines in batches.uploads[3:]] == [2, 2, 1]


def test_when_the_queue_is_full_smaller_batches_go_one_after_the_other(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.queue_limit = 3
    items = [item(n) for n in range(8)]
    judgments = batch_judge(server.base_url, tmp_path).judge(items)
    assert all(j.verdict for j in judgments)
    assert [len(lines) for lines in batches.uploads] == [8, 4, 2, 2, 2, 2]
    assert set(batches.paid.values()) == {1}


def test_a_queue_that_stays_full_leaves_the_items_unjudged(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.queue_limit = 0
    judgments = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert {j.reason for j in judgments} == {UnjudgedReason.RATE_LIMITED}
    assert records(tmp_path) == []


def test_a_dialect_the_endpoint_rejects_is_changed_and_remembered(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    server.always = "no_schema"
    judgments = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert all(j.verdict for j in judgments)
    formats = [[r["body"].get("response_format", {}).get("type") for r in u] for u in batches.uploads]
    assert formats == [["json_schema"] * 5, ["json_object"] * 5, [None] * 5]
    batch_judge(server.base_url, tmp_path).judge([item(9)])
    assert "response_format" not in batches.uploads[3][0]["body"]


@pytest.mark.parametrize("call", ["upload", "create"])
def test_an_endpoint_without_a_batch_api_is_refused_with_a_way_out(
    server: FakeServer, batches: BatchServer, tmp_path: Path, call: str
) -> None:
    batches.faults[call] = ["404"]
    with pytest.raises(JudgeRefused, match="no Batch API") as caught:
        batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert "judge.mode" in (caught.value.hint or "")


@pytest.mark.parametrize("call", ["upload", "create", "retrieve", "content"])
def test_a_key_that_is_rejected_stops_the_run(
    server: FakeServer, batches: BatchServer, tmp_path: Path, call: str
) -> None:
    batches.faults[call] = ["401"]
    with pytest.raises(JudgeRefused, match="key") as caught:
        batch_judge(server.base_url, tmp_path).judge(ITEMS)
    shown = f"{caught.value!r} {vars(caught.value)}"
    assert "secret" not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("problem", ["model_not_found", "billing_hard_limit_reached"])
def test_a_batch_that_is_refused_as_a_whole_stops_the_run(
    server: FakeServer, batches: BatchServer, tmp_path: Path, problem: str
) -> None:
    batches.ending, batches.problem = "failed", problem
    with pytest.raises(JudgeRefused, match="refuses the batch"):
        batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert records(tmp_path) == []


def test_a_batch_that_fails_validation_leaves_its_items_unjudged(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.ending, batches.problem = "failed", "invalid_json_line"
    judgments = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert {j.reason for j in judgments} == {UnjudgedReason.REJECTED}


def test_the_settings_choose_batches_for_those_who_can_wait(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    settings = JudgeSettings(kind="openai", base_url=server.base_url, mode="batch", batch_price_share=0.25)
    settings = settings.model_copy(update={"input_usd_per_million": 1.0})
    online = make_judge(settings)
    assert online.judge([item(1)])[0].verdict is not None
    assert (len(server.requests), batches.uploads) == (1, [])
    nightly = make_judge(settings, batches=Batches(folder=tmp_path))
    assert nightly.epoch == online.epoch
    assert isinstance(nightly.asker, BatchAsker)  # type: ignore[attr-defined]
    (judgment,) = nightly.judge([item(2)])
    assert judgment.spent.cost_usd == pytest.approx(INPUT_TOKENS * 0.25 / 1e6)
    assert len(batches.uploads) == 1
    live = make_judge(settings.model_copy(update={"mode": "live"}), batches=Batches(folder=tmp_path))
    assert not isinstance(live.asker, BatchAsker)  # type: ignore[attr-defined]


def test_the_key_and_what_users_wrote_appear_nowhere(
    server: FakeServer, batches: BatchServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="tailrace")
    judge = batch_judge(server.base_url, tmp_path)
    judge.judge([item(1, text="my-private-text")])
    kept = "".join(p.read_text() for p in tmp_path.iterdir())
    for secret in ("my-private-text", KEY):
        assert secret not in f"{judge!r} {caplog.text} {kept}"
    # the input file, which holds the text, is deleted at the endpoint
    assert not any(b"my-private-text" in content for content in batches.files.values())
