"""Batch mode and the verdict cache: one batch for a whole night, and nothing asked twice afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.judge.verdicts import Spend, UnjudgedReason, total_spent
from curation.judging import judge_all
from tests.curation.judge.batch_helpers import batch_judge
from tests.curation.judge.batch_server import BatchServer
from tests.curation.judge.helpers import item, openai_judge
from tests.curation.judge.server import FakeServer
from tests.lakes import new_lake

ITEMS = [item(n) for n in range(300)]


def test_a_night_is_one_batch_and_its_verdicts_are_cached_for_everybody(
    server: FakeServer, batches: BatchServer, tmp_path: Path
) -> None:
    lake = new_lake(tmp_path / "lake")
    folder = tmp_path / "batches"
    batches.polls_needed = 1_000_000
    early = judge_all(lake, batch_judge(server.base_url, folder, wait=0), ITEMS, judged_at_us=1)
    assert {j.reason for j in early} == {UnjudgedReason.PENDING}
    batches.polls_needed = 1
    night = judge_all(lake, batch_judge(server.base_url, folder), ITEMS, judged_at_us=2)
    assert all(j.verdict for j in night)
    assert [len(lines) for lines in batches.uploads] == [300]
    assert total_spent(night).calls == 300
    stored = lake.scan("judgments").collect()
    assert stored.height == 300
    assert stored["cost_usd"].sum() == pytest.approx(total_spent(night).cost_usd)

    for judge in (batch_judge(server.base_url, folder), openai_judge(server.base_url)):
        again = judge_all(lake, judge, ITEMS, judged_at_us=3)
        assert [j.verdict for j in again] == [j.verdict for j in night]
        assert total_spent(again) == Spend()
    assert (len(batches.uploads), server.requests) == (1, [])
