"""Batches survive whoever asked: lost answers, kills, waits that were too short. Nothing is paid twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contracts.errors import JudgeRefused, LakeNotWritable
from curation.judge.batch_memory import KEEP_DELIVERED_SECONDS, KEEP_SECONDS, BatchMemory
from curation.judge.openai_judge import OpenAIJudge
from curation.judge.rubrics import parse_rubric
from curation.judge.verdicts import Judgment, Spend, UnjudgedReason, total_spent
from tests.curation.judge.batch_helpers import batch_judge, records
from tests.curation.judge.batch_server import BatchServer
from tests.curation.judge.helpers import item
from tests.curation.judge.server import INPUT_TOKENS, FakeServer

COUNT = 12
ITEMS = [item(n) for n in range(COUNT)]
ONCE = {f"item-{n}": 1 for n in range(COUNT)}
FOREVER = 1_000_000

ASK = """
import sys
from pathlib import Path
from tests.curation.judge.batch_helpers import batch_judge
from tests.curation.judge.test_batch_resume import ITEMS

def tell(done, total):
    print("polled", flush=True)

batch_judge(sys.argv[1], Path(sys.argv[2]), tell, wait=600).judge(ITEMS)
"""


@pytest.mark.parametrize("fault", ["500", "429:0.01", "503"])
@pytest.mark.parametrize("call", ["upload", "create", "retrieve", "content"])
def test_passing_faults_of_every_call_are_ridden_out(
    server: FakeServer, batches: BatchServer, tmp_path: Path, call: str, fault: str
) -> None:
    batches.faults[call] = [fault, fault]
    judgments = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert all(j.verdict for j in judgments)
    assert (len(batches.batches), batches.paid) == (1, ONCE)


@pytest.mark.parametrize("fault", ["lost", "hang"])
def test_a_batch_whose_creation_was_not_heard_of_is_found_and_not_made_again(
    server: FakeServer, batches: BatchServer, tmp_path: Path, fault: str
) -> None:
    batches.faults["create"] = [fault]
    judgments = batch_judge(server.base_url, tmp_path, timeout_seconds=0.4).judge(ITEMS)
    assert all(j.verdict for j in judgments)
    assert batches.calls["listing"] >= 1
    assert (len(batches.batches), batches.paid) == (1, ONCE)


def test_a_batch_whose_creation_was_never_heard_of_is_found_by_the_next_run(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    for n in range(5):
        other = batch_judge(server.base_url, tmp_path / "other").judge([item(100 + n)])
        assert other[0].verdict is not None
    batches.faults.update(create=["lost"], listing=["500"] * 8)
    first = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert {j.reason for j in first} == {UnjudgedReason.UNAVAILABLE}
    assert total_spent(first) == Spend()
    # the endpoint still does not say whether it was made: it is not made again
    batches.faults.update(listing=["500"] * 4)
    second = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert {j.reason for j in second} == {UnjudgedReason.UNAVAILABLE}
    assert "not known" in second[0].detail
    third = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert all(j.verdict for j in third)
    assert total_spent(third).input_tokens == COUNT * INPUT_TOKENS
    assert len(batches.batches) == 5 + 1


def test_a_batch_that_was_never_made_is_made_by_the_next_run(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.faults["create"] = ["500"] * 4
    assert all(j.reason for j in batch_judge(server.base_url, tmp_path).judge(ITEMS))
    assert len(batches.batches) == 0
    assert all(j.verdict for j in batch_judge(server.base_url, tmp_path).judge(ITEMS))
    assert (len(batches.batches), batches.paid) == (1, ONCE)


def test_an_upload_that_fails_for_good_leaves_nothing_behind(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.faults["upload"] = ["503"] * 4
    judge = batch_judge(server.base_url, tmp_path)
    judgments = judge.judge(ITEMS)
    assert {j.reason for j in judgments} == {UnjudgedReason.UNAVAILABLE}
    assert judge.asker.budget.reserved.calls == 0
    assert records(tmp_path) == []


def test_a_killed_process_is_taken_over_without_asking_again(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.polls_needed = FOREVER
    process = subprocess.Popen(
        [sys.executable, "-c", ASK, server.base_url, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "polled\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    process.stdout.close()

    batches.polls_needed = 1
    judge = batch_judge(server.base_url, tmp_path)
    judgments = judge.judge(ITEMS)
    assert all(j.verdict for j in judgments)
    assert (batches.calls["create"], batches.paid) == (1, ONCE)
    assert judge.asker.budget.spent == total_spent(judgments)
    assert total_spent(judgments).calls == COUNT


@pytest.mark.parametrize("between", ["upload", "create"])
def test_killed_in_the_middle_of_submitting_the_batch_is_found_or_made_once(
    server: FakeServer, batches: BatchServer, tmp_path: Path, between: str
) -> None:
    # the server does what is asked, but the process is killed before it hears of it
    batches.faults[between] = ["hang"]
    process = subprocess.Popen([sys.executable, "-c", ASK, server.base_url, str(tmp_path)])
    deadline = time.monotonic() + 60
    while not (batches.batches if between == "create" else batches.files):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait(30) == -signal.SIGKILL
    assert len(batches.batches) == (between == "create")

    judgments = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert all(j.verdict for j in judgments)
    assert (len(batches.batches), batches.paid) == (1, ONCE)


def test_what_is_not_there_in_time_is_pending_and_fetched_by_the_next_run(
    server: FakeServer, batches: BatchServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    batches.polls_needed = FOREVER
    judge = batch_judge(server.base_url, tmp_path, wait=0.2)
    first = judge.judge(ITEMS)
    assert {j.reason for j in first} == {UnjudgedReason.PENDING}
    assert "next run fetches it" in first[0].detail
    assert "still out" in caplog.text
    # it will be paid, so nothing else may be bought for it
    assert judge.asker.budget.reserved.calls == COUNT
    batches.polls_needed = 1
    second = batch_judge(server.base_url, tmp_path).judge([*ITEMS, item(50)])
    assert all(j.verdict for j in second)
    assert [len(lines) for lines in batches.uploads] == [COUNT, 1]
    assert batches.paid == {**ONCE, "item-50": 1}


def test_questions_out_already_are_fetched_whatever_the_budget(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.polls_needed = FOREVER
    batch_judge(server.base_url, tmp_path, wait=0).judge(ITEMS)
    batches.polls_needed = 1
    judge = batch_judge(server.base_url, tmp_path, max_calls=2)
    judgments = judge.judge([*ITEMS, item(50)])
    assert [j.reason for j in judgments] == [None] * COUNT + [UnjudgedReason.BUDGET]
    assert judge.asker.budget.spent.calls == COUNT


def test_answers_nobody_stored_are_fetched_again_and_not_asked_again(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    first = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    again = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert [j.verdict for j in first] == [j.verdict for j in again]
    assert (len(batches.batches), batches.paid) == (1, ONCE)


def test_a_failing_callback_loses_no_answer(server: FakeServer, batches: BatchServer, tmp_path: Path) -> None:
    def fail(_: Judgment) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        batch_judge(server.base_url, tmp_path).judge(ITEMS, on_judgment=fail)
    assert all(j.verdict for j in batch_judge(server.base_url, tmp_path).judge(ITEMS))
    assert batches.paid == ONCE


def test_answers_asked_for_by_half_stay_for_the_other_half(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.polls_needed = FOREVER
    batch_judge(server.base_url, tmp_path, wait=0).judge(ITEMS)
    batches.polls_needed = 1
    for part in (ITEMS[:4], ITEMS[4:]):
        assert all(j.verdict for j in batch_judge(server.base_url, tmp_path).judge(part))
    assert (len(batches.batches), batches.paid) == (1, ONCE)


def test_another_rubric_is_another_question(server: FakeServer, batches: BatchServer, tmp_path: Path) -> None:
    batches.polls_needed = FOREVER
    batch_judge(server.base_url, tmp_path, wait=0).judge(ITEMS[:1])
    batches.polls_needed = 1
    own = parse_rubric(
        '+++\nname = "x"\nversion = "1"\n[taxonomy]\nother = "all"\n+++\nBe kind.\n', source="x"
    )
    server.good["failure_kind"] = "other"
    (judgment,) = batch_judge(server.base_url, tmp_path, rubric=own).judge(ITEMS[:1])
    assert judgment.verdict is not None
    assert batches.paid["item-0"] == 1
    assert len(batches.batches) == 2
    assert "Be kind." in batches.uploads[1][0]["body"]["messages"][0]["content"]


def test_a_batch_the_endpoint_knows_no_more_is_asked_again(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.polls_needed = FOREVER
    batch_judge(server.base_url, tmp_path, wait=0).judge(ITEMS)
    batches.batches.clear()
    batches.polls_needed = 1
    assert all(j.verdict for j in batch_judge(server.base_url, tmp_path).judge(ITEMS))
    assert len(batches.uploads) == 2


def test_a_batch_that_vanishes_in_the_same_run_is_not_asked_again_at_once(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.faults["retrieve"] = ["404"]
    judgments = batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert {j.reason for j in judgments} == {UnjudgedReason.UNAVAILABLE}
    assert len(batches.uploads) == 1


def test_a_key_rejected_while_polling_loses_no_batch(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    batches.faults["retrieve"] = ["401"]
    with pytest.raises(JudgeRefused):
        batch_judge(server.base_url, tmp_path).judge(ITEMS)
    assert all(j.verdict for j in batch_judge(server.base_url, tmp_path).judge(ITEMS))
    assert (len(batches.batches), batches.paid) == (1, ONCE)


def test_an_interrupt_leaves_the_batch_running_and_says_how_to_go_on(
    server: FakeServer, batches: BatchServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    batches.polls_needed = FOREVER

    def interrupt(done: int, total: int) -> None:
        # as Ctrl-C does, whatever other tests have left as its handler
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch_judge(server.base_url, tmp_path, interrupt, wait=30).judge(ITEMS)
    assert "run the same command" in caplog.text
    batches.polls_needed = 1
    assert all(j.verdict for j in batch_judge(server.base_url, tmp_path).judge(ITEMS))
    assert (len(batches.batches), batches.paid) == (1, ONCE)


def test_delivered_batches_are_forgotten_after_a_week_and_their_files_deleted(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    judge: OpenAIJudge = batch_judge(server.base_url, tmp_path)
    judge.judge(ITEMS)
    (record,) = records(tmp_path)
    assert record.delivered_at is not None
    later = BatchMemory(tmp_path, clock=lambda: record.created_at + KEEP_DELIVERED_SECONDS + 60)
    assert later.outlived(record)
    record.delivered_at = None
    assert not later.outlived(record)
    record.created_at -= KEEP_SECONDS
    BatchMemory(tmp_path).remember(record)
    assert batches.files
    batch_judge(server.base_url, tmp_path).judge([item(50)])
    assert record.marker not in {r.marker for r in records(tmp_path)}
    assert not set(record.file_ids) & set(batches.files)


def test_a_damaged_record_is_no_record(server: FakeServer, batches: BatchServer, tmp_path: Path) -> None:
    (tmp_path / "damaged.json").write_bytes(b'{"marker": ')
    assert all(j.verdict for j in batch_judge(server.base_url, tmp_path).judge(ITEMS))


def test_a_folder_that_cannot_be_written_sends_nothing(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeNotWritable):
        batch_judge(server.base_url, tmp_path / "file").judge(ITEMS)
    assert not batches.calls
