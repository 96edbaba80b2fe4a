"""From rows of `judgments` back to comparisons, and what judges are biased by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.records import read_records
from curation.judge.bias import position_bias
from curation.judge.order_rows import ORDERS, PEOPLE, order_rows, pair_verdicts
from curation.judge.pairwise import Preference
from curation.judge.pairwise_bias import bias_by_epoch, pairwise_manifest
from curation.judge.pairwise_rows import PairVerdict, outcome, read_pairwise
from tests.curation.judge.helpers import comparison, pairwise_judge
from tests.curation.judge.server import FakeServer, always_first, better, longer


def hashed(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def as_orders(verdicts: Sequence[PairVerdict]) -> pl.DataFrame:
    """What the table would hold of these verdicts; orders without a verdict leave no row."""
    rows = []
    for n, v in enumerate(verdicts):
        sides = [(v.model_a, v.length_a), (v.model_b, v.length_b)]
        for choice, (first, second) in ((v.ab, sides), (v.ba, sides[::-1])):
            if choice in ("first", "second", "tie"):
                rows.append(
                    {
                        "epoch": v.judge,
                        "judge": f"openai:{v.judge}",
                        "content_hash": hashed(n, first, second),
                        "pair_hash": hashed(n),
                        "request_id": v.question,
                        "verdict": choice,
                        "first_chars": first[1],
                        "second_chars": second[1],
                        "first_model": first[0],
                        "second_model": second[0],
                        "input_tokens": 1,
                        "output_tokens": 1,
                        "cost_usd": 0.0,
                    }
                )
    return pl.DataFrame(rows, schema=ORDERS)


choices = st.sampled_from(["first", "second", "tie"])
made = st.builds(
    lambda judge, question, ab, ba, lengths: PairVerdict(
        judge=judge,
        question=question,
        turn=1,
        category=None,
        model_a="gpt-4",
        model_b="llama-3",
        ab=ab,
        ba=ba,
        winner=outcome(ab, ba),
        length_a=lengths[0],
        length_b=lengths[1],
    ),
    st.sampled_from(["e1", "e2"]),
    st.sampled_from(["q1", "q2", "q3"]),
    choices,
    choices,
    st.tuples(st.integers(0, 99), st.integers(0, 99)),
)


@given(st.lists(made, max_size=12), st.randoms())
def test_comparisons_come_back_whatever_the_order_of_the_rows(found: list[PairVerdict], dice: Any) -> None:
    rows = as_orders(found)
    shuffled = rows[dice.sample(range(rows.height), rows.height)] if rows.height else rows
    back = pair_verdicts(shuffled)

    def key(v: PairVerdict) -> str:
        return repr(v)

    assert sorted(back, key=key) == sorted(found, key=key)


def test_one_order_alone_is_an_error_of_that_comparison() -> None:
    whole = PairVerdict("e", "q", 1, None, "gpt-4", "llama-3", "first", "second", "a", 5, 7)
    for place, (ab, ba) in enumerate((("first", "error"), ("error", "second"))):
        (found,) = pair_verdicts(as_orders([whole])[place : place + 1])
        assert (found.winner, found.ab, found.ba) == ("error", ab, ba)
        assert (found.model_a, found.model_b, found.length_a, found.length_b) == ("gpt-4", "llama-3", 5, 7)


def test_what_people_wrote_has_their_name() -> None:
    whole = PairVerdict("e", "q", 1, None, "gpt-4", "x", "first", "second", "a", 5, 7)
    rows = as_orders([whole]).with_columns(
        pl.col("first_model", "second_model").replace("x", None), judge=pl.lit("openai:gpt-4.1")
    )
    (found,) = pair_verdicts(rows)
    assert (found.model_a, found.model_b, found.winner) == ("gpt-4", PEOPLE, "a")
    assert bias_by_epoch(rows, None)["e"].own_family_wins.value == 1.0


def compared(server: FakeServer, count: int = 6) -> tuple[list[Preference], pl.DataFrame]:
    judge = pairwise_judge(server.base_url)
    pairs = [comparison(n, a="It is lost. " + "Sorry! " * (n % 3 + 1), b="It is late.") for n in range(count)]
    found = judge.compare(pairs)
    return found, order_rows(found, {judge.epoch.id: judge.epoch})


@pytest.mark.parametrize(
    ("prefer", "inconsistency", "first_share", "longer_wins"),
    [(always_first, 1.0, 1.0, None), (longer, 0.0, None, 1.0), (better(lambda t: -len(t)), 0.0, None, 0.0)],
)
def test_biased_judges_are_found_out(
    server: FakeServer,
    prefer: Any,
    inconsistency: float,
    first_share: float | None,
    longer_wins: float | None,
) -> None:
    server.prefer = prefer
    _, orders = compared(server)
    ((epoch, found),) = bias_by_epoch(orders).items()
    assert found.position.inconsistency_rate.value == inconsistency
    assert found.position.first_share.value == first_share
    assert found.length is not None
    assert found.length.longer_wins.value == longer_wins
    (said,) = pairwise_manifest(orders).values()
    assert said["comparisons"] == 6
    assert said["consistent"] + said["inconsistent"] + said["ties"] + said["unjudged"] == 6
    assert said["inconsistency_rate"]["value"] == inconsistency
    assert epoch == orders["epoch"][0]


def test_epochs_are_never_mixed(server: FakeServer) -> None:
    server.prefer = always_first
    _, first = compared(server)
    server.prefer = longer
    _, second = compared(server)
    both = pl.concat([first, second.with_columns(epoch=pl.lit("other"))])
    found = bias_by_epoch(both, None)
    assert sorted(v.position.inconsistency_rate.value or 0.0 for v in found.values()) == [0.0, 1.0]


def test_published_figures_come_out_of_rows_of_the_table(shared_data: Path) -> None:
    records = read_records(shared_data / "judges" / "mt_bench_en_judge_pairwise.jsonl")
    published = [v for v in read_pairwise(records.rows, lines=records.lines).verdicts if v.ab and v.ba]
    orders = as_orders(published)
    direct: dict[str, list[PairVerdict]] = {}
    for verdict in published:
        direct.setdefault(verdict.judge, []).append(verdict)
    found = bias_by_epoch(orders, None)
    assert len(found) == len(direct) > 1
    for judge, verdicts in direct.items():
        expected, position = position_bias(verdicts), found[judge].position
        assert position.inconsistency_rate.value == expected.inconsistency_rate.value
        assert position.first_share.value == expected.first_share.value
        assert (position.consistent_wins, position.valid) == (expected.consistent_wins, expected.valid)
