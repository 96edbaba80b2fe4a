"""The gate as a step: what is refused, with which evidence and id, and what a release lets pass."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.contamination.index import ContaminationIndex
from curation.contamination.rates import contamination, matches
from curation.contamination.step import contamination_step, find_hits
from curation.steps import REFUSAL_SCHEMA
from tests.curation.contamination.samples import DUCKS, EVALS, PLAIN, ROBE

INDEX = ContaminationIndex.build(EVALS)
SETS = pl.DataFrame({"eval_set": ["demo", "other"], "version": [3, 1], "items": [4, 9]})


def turns(text: str, role: str = "user") -> str:
    return msgspec.json.encode([{"role": role, "content": text}]).decode()


def training_rows(
    *texts: tuple[str, str, str], requests: Sequence[Sequence[str]] | None = None
) -> pl.DataFrame:
    ids = requests or [[f"q{number}", f"a{number}"] for number in range(len(texts))]
    return pl.DataFrame(
        {
            "kind": ["preference"] * len(texts),
            "pair_source": ["user_edit"] * len(texts),
            "request_ids": [list(i) for i in ids],
            "date": [dt.date(2026, 3, 1)] * len(texts),
            "prompt": [turns(prompt) for prompt, _, _ in texts],
            "chosen": [turns(chosen, "assistant") for _, chosen, _ in texts],
            "rejected": [turns(rejected, "assistant") for _, _, rejected in texts],
        }
    )


ROWS = training_rows((PLAIN, PLAIN, PLAIN), (DUCKS, PLAIN, PLAIN), (PLAIN, f"{ROBE} {DUCKS}", PLAIN))


def test_contaminated_rows_are_refused_with_evidence_and_without_text() -> None:
    result = contamination_step(ROWS, INDEX, ())
    assert result.kept.equals(ROWS[:1])
    assert result.refused.schema == REFUSAL_SCHEMA
    assert result.stats() == {"step": "contamination", "in": 3, "out": 1, "refused": {"contaminated": 2}}
    first = result.refused.row(0, named=True)
    assert first["detail"] == "demo/ducks in prompt: exact 1.00"
    found = msgspec.json.decode(first["evidence"])["matches"]
    assert found[0] == {
        "eval_set": "demo",
        "eval_version": 1,
        "item_id": "ducks",
        "field": "question",
        "layer": "exact",
        "score": 1.0,
        "severe": True,
        "side": "prompt",
        "start": 0,
        "end": len(DUCKS) - 1,
    }
    assert "Janet" not in str(result.refused.rows())


def test_the_same_refusal_has_the_same_id_every_night() -> None:
    tonight = contamination_step(ROWS, INDEX, ()).refused
    renewed = ContaminationIndex.build(EVALS.with_columns(version=pl.lit(2, pl.Int64)))
    tomorrow = contamination_step(ROWS[::-1], renewed, ()).refused
    assert set(tonight["quarantine_id"]) == set(tomorrow["quarantine_id"])
    assert tonight["quarantine_id"].n_unique() == 2


def test_a_release_lets_a_row_pass_for_that_item_only() -> None:
    refused = contamination_step(ROWS, INDEX, ()).refused
    one, two = refused["quarantine_id"].to_list()
    again = contamination_step(ROWS, INDEX, {one, two})
    assert again.kept["request_ids"].to_list() == [["q0", "a0"], ["q1", "a1"]]
    other = again.refused.row(0, named=True)
    assert other["quarantine_id"] not in {one, two}
    last = contamination_step(ROWS, INDEX, {one, two, other["quarantine_id"]})
    assert last.kept.equals(ROWS)


def test_a_released_request_counts_for_the_pairs_made_from_it() -> None:
    single = training_rows((DUCKS, PLAIN, PLAIN), requests=[["q1"]])
    released = set(contamination_step(single, INDEX, ()).refused["quarantine_id"])
    pair = training_rows((DUCKS, PLAIN, PLAIN), requests=[["q1", "a1"]])
    assert contamination_step(pair, INDEX, released).kept.height == 1
    stranger = training_rows((DUCKS, PLAIN, PLAIN), requests=[["q7", "a7"]])
    assert contamination_step(stranger, INDEX, released).kept.is_empty()


def test_interactions_and_sides_that_are_not_there() -> None:
    rows = pl.DataFrame(
        {
            "request_id": ["a", "b"],
            "date": [dt.date(2026, 3, 1)] * 2,
            "prompt": [turns(PLAIN), None],
            "chosen": pl.Series([None, turns(ROBE, "assistant")], dtype=pl.String),
            "rejected": pl.Series([None, None], dtype=pl.String),
        }
    )
    result = contamination_step(rows, INDEX, ())
    assert result.refused.select("request_ids", "kind").rows() == [(["b"], "interaction")]
    assert contamination_step(rows.clear(), INDEX, ()).refused.is_empty()
    assert contamination_step(rows, ContaminationIndex.build(EVALS.clear()), ()).kept.equals(rows)


@given(st.permutations(range(3)))
@settings(max_examples=6, deadline=None)
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    plain = contamination_step(ROWS, INDEX, ())
    mixed = contamination_step(ROWS[list(order)], INDEX, ())
    assert mixed.refused.sort("quarantine_id").equals(plain.refused.sort("quarantine_id"))


def test_hits_found_elsewhere_are_the_same() -> None:
    hits = find_hits(ROWS, INDEX)
    there = contamination_step(ROWS, INDEX, (), hits=hits)
    assert there.refused.equals(contamination_step(ROWS, INDEX, ()).refused)


def test_rates_by_eval_set() -> None:
    refused = contamination_step(ROWS, INDEX, ()).refused
    assert contamination(refused, SETS, 3) == {
        "demo": {
            "version": 3,
            "items_total": 4,
            "items_hit": 2,
            "rows_checked": 3,
            "rows_hit": 2,
            "rows_severe": 2,
        },
        "other": {
            "version": 1,
            "items_total": 9,
            "items_hit": 0,
            "rows_checked": 3,
            "rows_hit": 0,
            "rows_severe": 0,
        },
    }
    found = matches(refused)
    assert set(found["item_id"]) == {"ducks", "robe"}
    assert set(found["quarantine_id"]) == set(refused["quarantine_id"])
    assert matches(pl.DataFrame(schema=REFUSAL_SCHEMA)).is_empty()
