"""Judging into the lake: killed in the middle, beside others, while the lake is away; nothing paid twice."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import LakeUnavailable
from curation.judging import judge_all
from sinks.judge_journal import FOLDER, JudgeJournal
from sinks.lake import Lake
from tests.curation.judge.helpers import item, openai_judge
from tests.curation.judge.judging_process import CONCURRENCY, judged
from tests.curation.judge.killing import kill_after
from tests.curation.judge.server import FakeServer

ITEMS = 1_000


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.create()
    return lake


def killed_after(answers: int, home: Path, server: FakeServer) -> set[str]:
    """Judge in a process and kill it when the server has answered so often; the items it had noted."""
    kill_after(
        answers, server, "tests.curation.judge.judging_process", str(home), server.base_url, str(ITEMS)
    )
    (journal,) = (home / FOLDER).glob("*.jsonl")
    # What follows the last line's end was cut off.
    lines = journal.read_bytes().split(b"\n")[:-1]
    return {f"item-{json.loads(line)['request_id'][1:]}" for line in lines}


def test_killed_twice_it_judges_every_item_and_pays_only_for_calls_in_flight_again(
    server: FakeServer, lake: Lake, tmp_path: Path
) -> None:
    paid: dict[str, int] = {}
    for answers in (300, 600):
        noted = killed_after(answers, tmp_path, server)
        paid |= {name: server.calls[name] for name in noted}
    assert len(paid) >= 600 - 2 * CONCURRENCY
    judgments = judged(tmp_path, server.base_url, ITEMS)

    assert all(j.verdict is not None for j in judgments)
    assert [j.request_id for j in judgments] == [f"r{n}" for n in range(ITEMS)]
    assert {name: server.calls[name] for name in paid} == paid
    assert sum(calls > 1 for calls in server.calls.values()) <= 2 * CONCURRENCY
    assert server.calls.total() <= ITEMS + 2 * CONCURRENCY
    rows = lake.scan("judgments").collect()
    assert rows.height == rows.select("epoch", "content_hash").n_unique() == ITEMS
    assert set(rows["request_id"]) == {f"r{n}" for n in range(ITEMS)}
    assert set(rows["origin"]) == {"nightly"}
    assert set(rows["calls"]) == {1}
    assert list((tmp_path / FOLDER).glob("*.jsonl")) == []


def test_verdicts_that_could_not_be_stored_are_not_asked_for_again(
    server: FakeServer, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [item(n) for n in range(20)]

    def away(*_: Any, **__: Any) -> int:
        raise LakeUnavailable("the disk is full")

    with JudgeJournal(tmp_path / FOLDER) as journal:
        judge = openai_judge(server.base_url)
        with monkeypatch.context() as patch:
            patch.setattr("curation.judging.store_judgments", away)
            with pytest.raises(LakeUnavailable):
                judge_all(lake, judge, items, judged_at_us=1, journal=journal)
        again = judge_all(lake, judge, items, judged_at_us=2, journal=journal)
    assert all(j.verdict is not None and j.spent.calls == 0 for j in again)
    assert len(server.requests) == 20
    assert lake.scan("judgments").collect().height == 20


def test_two_who_judge_the_same_at_once_store_one_verdict_each(server: FakeServer, lake: Lake) -> None:
    server.delay = 0.02
    items = [item(n) for n in range(60)]
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(judge_all, lake, openai_judge(server.base_url), items, judged_at_us=n) for n in (1, 2)
        ]
        for run in runs:
            assert all(j.verdict is not None for j in run.result())
    rows = lake.scan("judgments").collect()
    assert rows.height == rows["content_hash"].n_unique() == 60


def test_unjudged_items_are_asked_again_and_leave_no_row(
    server: FakeServer, lake: Lake, tmp_path: Path
) -> None:
    server.script = {"item-1": ["refusal"]}
    items, told = [item(n) for n in range(3)], list[tuple[int, int]]()
    with JudgeJournal(tmp_path / FOLDER) as journal:
        first = judge_all(
            lake,
            openai_judge(server.base_url),
            items,
            judged_at_us=1,
            journal=journal,
            origin="online",
            progress=lambda *done: told.append(done),
        )
        assert [j.verdict is None for j in first] == [False, True, False]
        assert told == [(1, 3), (2, 3), (3, 3)]
        assert lake.scan("judgments").collect()["origin"].to_list() == ["online"] * 2
        second = judge_all(lake, openai_judge(server.base_url), items, judged_at_us=2, journal=journal)
    assert [j.spent.calls for j in second] == [0, 1, 0]
    assert server.calls == {"item-0": 1, "item-1": 2, "item-2": 1}
