"""Comparisons through the verdict cache, in a real Delta table, against a real endpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from curation.judge.pairwise import Comparison, OnOrder, Order, OrderJudgment, PairwiseJudge, Preference
from curation.judge.verdicts import UnjudgedReason
from curation.judging_pairs import compare_all
from curation.verdict_memory import Memory
from sinks.lake import Lake
from tests.curation.judge.comparing_process import CONCURRENCY
from tests.curation.judge.comparing_process import compared as compare_pairs
from tests.curation.judge.helpers import comparison, pairwise_judge
from tests.curation.judge.killing import kill_after
from tests.curation.judge.server import FakeServer, better
from tests.lakes import new_lake

LOST = better(lambda text: "lost" in text)
CLOCK = 1_800_000_000_000_000


@pytest.fixture(autouse=True)
def _consistent(server: FakeServer) -> None:
    server.prefer = LOST


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def compared(lake: Lake, judge: PairwiseJudge, comparisons: Sequence[Comparison]) -> list[Preference]:
    return compare_all(Memory(lake, CLOCK), judge, comparisons)


def stored(lake: Lake) -> pl.DataFrame:
    return lake.scan("judgments").collect()


def test_every_order_is_a_row_and_is_never_paid_again(lake: Lake, server: FakeServer) -> None:
    comparisons = [comparison(n) for n in range(3)]
    first = compared(lake, pairwise_judge(server.base_url), comparisons)
    again = compared(lake, pairwise_judge(server.base_url), comparisons)
    assert server.billed == 6
    assert [p.winner for p in first] == [p.winner for p in again] == ["a", "a", "a"]
    assert [p.margin for p in first] == [p.margin for p in again]
    assert sum(p.spent.calls for p in again) == 0
    rows = stored(lake)
    assert rows.height == 6
    assert rows["task"].to_list() == ["pairwise"] * 6
    assert rows.group_by("pair_hash").len()["len"].to_list() == [2, 2, 2]
    ab = rows.filter(pl.col("content_hash") == comparisons[0].orders[0].content_hash).row(0, named=True)
    assert (ab["verdict"], ab["strength"], ab["first_chars"], ab["second_chars"]) == ("first", 2, 11, 17)
    assert (ab["first_model"], ab["second_model"], ab["request_id"]) == ("fake", "writer", "r0")
    assert (ab["failure_kind"], ab["severity"], ab["input_tokens"]) == (None, None, 100)


def test_the_swapped_comparison_is_known_too(lake: Lake, server: FakeServer) -> None:
    one = comparison()
    compared(lake, pairwise_judge(server.base_url), [one])
    swapped = Comparison(request_id="r1", prompt=one.prompt, a=one.b, b=one.a)
    (found,) = compared(lake, pairwise_judge(server.base_url), [swapped])
    assert (found.winner, server.billed) == ("b", 2)


def test_another_epoch_judges_afresh(lake: Lake, server: FakeServer) -> None:
    compared(lake, pairwise_judge(server.base_url), [comparison()])
    compared(lake, pairwise_judge(server.base_url, model="other"), [comparison()])
    assert server.billed == 4
    assert stored(lake)["epoch"].n_unique() == 2


def test_an_order_judged_before_the_other_failed_is_kept(lake: Lake, server: FakeServer) -> None:
    server.script = {"item-1": ["", "refusal"]}
    (found,) = compared(lake, pairwise_judge(server.base_url, concurrency=1), [comparison(1)])
    assert (found.winner, found.reason) == (None, UnjudgedReason.REFUSAL)
    assert stored(lake).height == 1
    (found,) = compared(lake, pairwise_judge(server.base_url), [comparison(1)])
    assert (found.winner, found.spent.calls) == ("a", 1)
    assert stored(lake).height == 2


class Interrupted(PairwiseJudge):
    """Stops, as a killed process does, when so many orders have been answered."""

    after = 1

    def judge_orders(
        self, orders: Sequence[Order], *, on_judgment: OnOrder | None = None
    ) -> list[OrderJudgment]:
        seen = 0

        def tell(judgment: OrderJudgment) -> None:
            nonlocal seen
            if on_judgment is not None:
                on_judgment(judgment)
            seen += 1
            if seen == self.after:
                raise KeyboardInterrupt

        return super().judge_orders(orders, on_judgment=tell)


def test_stopped_between_the_two_orders_the_first_is_not_paid_again(lake: Lake, server: FakeServer) -> None:
    judge = pairwise_judge(server.base_url, concurrency=1)
    judge.__class__ = Interrupted
    with pytest.raises(KeyboardInterrupt):
        compared(lake, judge, [comparison()])
    paid = server.billed
    assert (paid, stored(lake).height) == (1, 1)
    (found,) = compared(lake, pairwise_judge(server.base_url), [comparison()])
    assert (found.winner, server.billed) == ("a", 2)


def test_what_the_budget_leaves_out_is_asked_next_time(lake: Lake, server: FakeServer) -> None:
    comparisons = [comparison(n) for n in range(3)]
    first = compared(lake, pairwise_judge(server.base_url, max_calls=3), comparisons)
    assert [p.reason for p in first].count(UnjudgedReason.BUDGET) == 2
    again = compared(lake, pairwise_judge(server.base_url), comparisons)
    assert [p.winner for p in again] == ["a", "a", "a"]
    assert server.billed == 6


def test_killed_it_pays_again_only_for_calls_that_were_in_flight(
    lake: Lake, server: FakeServer, tmp_path: Path
) -> None:
    pairs, killed_after = 60, 71
    kill_after(
        killed_after,
        server,
        "tests.curation.judge.comparing_process",
        str(tmp_path),
        server.base_url,
        str(pairs),
    )
    assert stored(lake).is_empty()
    found = compare_pairs(tmp_path, server.base_url, pairs)
    assert [p.winner for p in found] == ["a"] * pairs
    asked = Counter(request["messages"][1]["content"] for request in server.requests)
    assert len(asked) == 2 * pairs
    assert sum(times > 1 for times in asked.values()) <= CONCURRENCY
    assert stored(lake).height == 2 * pairs
