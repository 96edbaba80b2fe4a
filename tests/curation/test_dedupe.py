from __future__ import annotations

import random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.settings import CurationSettings
from contracts.tables import frame_schema, validate
from curation import dedupe
from curation.dedupe import Deduplicated, deduplicate
from curation.example_sketches import sketch_rows
from curation.sketches import ALGORITHM, conversation, sketch, unpacked
from curation.texts.embeddings import StaticEmbeddings
from tests.curation.final_rows import DAY, final_row, final_rows, turns

WORDS = [f"word{n}" for n in range(500)]


def text(name: object, words: int = 60) -> str:
    return " ".join(random.Random(str(name)).choices(WORDS, k=words))


def changed(base: str, *places: int) -> str:
    words = base.split(" ")
    for place in places:
        words[place] = f"other{place}"
    return " ".join(words)


def row(name: str, about: object, *places: int, **fields: Any) -> dict[str, Any]:
    """A row about a topic whose question has some words changed."""
    return final_row(
        name,
        **{
            "prompt": changed(text(f"q{about}"), *places),
            "chosen": text(f"c{about}"),
            "rejected": text(f"r{about}"),
            **fields,
        },
    )


def done(rows: list[dict[str, Any]], earlier: pl.LazyFrame | None = None, **curation: Any) -> Deduplicated:
    return deduplicate(final_rows(rows), CurationSettings(**curation), earlier)


def outcome(found: Deduplicated) -> dict[str, str]:
    """What became of each request."""
    refused = {
        ids[0]: reason for ids, reason in found.result.refused.select("request_ids", "reason").iter_rows()
    }
    return refused | {ids[0]: "kept" for ids in found.result.kept["request_ids"]}


def stored(found: Deduplicated, drop_id: str = "D1") -> pl.LazyFrame:
    """What an earlier drop of these rows leaves behind."""
    kept = found.result.kept
    rows = sketch_rows(kept, kept["example_id"], found.sketches, StaticEmbeddings.load())
    return rows.with_columns(drop_id=pl.lit(drop_id)).lazy()


def test_copies_and_near_copies_leave_one_row_with_its_cluster() -> None:
    found = done(
        [
            row("a", 1, evidence_ids=["e1", "e2"], inclusion_probability=0.5),
            row("b", 1, inclusion_probability=0.25),
            row("c", 1, 30, inclusion_probability=0.2),
            row("d", 2),
        ]
    )
    assert outcome(found) == {"a": "kept", "b": "duplicate", "c": "near_duplicate", "d": "kept"}
    kept = {r["request_ids"][0]: r for r in found.result.kept.to_dicts()}
    assert kept["a"]["cluster_id"] == kept["a"]["example_id"]
    assert kept["a"]["cluster_size"] == 3
    assert kept["a"]["cluster_request_ids"] == ["a", "b", "c"]
    assert kept["a"]["design_weight"] == pytest.approx(2 + 4 + 5)
    assert (kept["d"]["cluster_size"], kept["d"]["design_weight"]) == (1, 1.0)
    details = dict(found.result.refused.select(pl.col("request_ids").list.first(), "detail").iter_rows())
    assert details["b"] == f"same content as example {kept['a']['example_id']}"
    assert details["c"].endswith(f"with example {kept['a']['example_id']}")
    assert 0.8 <= float(details["c"].split()[1]) < 1


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"evidence_ids": ["e1", "e2"]}, {"failure_score": 0.99}),
        ({"contributions": [{"signal": "thumbs", "contribution": 1.0}]}, {"failure_score": 0.99}),
        ({"failure_score": 0.95}, {"failure_score": 0.6}),
        ({"failure_score": 0.02}, {"failure_score": 0.6}),
    ],
)
@pytest.mark.parametrize("place", [10, 20])
def test_the_best_evidenced_member_stays(better: dict[str, Any], worse: dict[str, Any], place: int) -> None:
    rows = [row("a", 1, **worse), row("b", 1, place, **better)]
    for each in rows:
        each.setdefault("contributions", [{"signal": "retry", "contribution": 1.0}])
    found = deduplicate(pl.DataFrame(rows), CurationSettings())
    assert outcome(found) == {"a": "near_duplicate", "b": "kept"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "duplicate"),
        ({"prompt": changed(text("q1"), 5)}, "near_duplicate"),
        ({"prompt": text("q1").upper() + "!!!"}, "near_duplicate"),
        ({"prompt": text("another")}, "kept"),
        ({"chosen": text("another")}, "kept"),
        ({"rejected": text("another")}, "kept"),
        ({"chosen": text("r1"), "rejected": text("c1")}, "kept"),
        ({"kind": "unpaired"}, "kept"),
    ],
)
def test_every_part_must_be_alike(change: dict[str, Any], reason: str) -> None:
    found = outcome(done([row("a", 1, evidence_ids=["e1", "e2"]), row("b", 1, **change)]))
    assert found == {"a": "kept", "b": reason}


def test_a_shared_system_prompt_makes_no_duplicates() -> None:
    rows = [row(str(n), 1) for n in range(6)]
    for n, each in enumerate(rows):
        each["prompt"] = turns(("system", text("system", 900)), ("user", text(n, 8)))
    assert set(outcome(done(rows)).values()) == {"kept"}
    assert conversation(rows[0]["prompt"]) == text(0, 8)


def test_the_threshold_is_a_setting() -> None:
    rows = [row("a", 1, evidence_ids=["e1", "e2"]), row("b", 1, 5, 20, 40)]
    assert outcome(done(rows))["b"] == "kept"
    assert outcome(done(rows, near_duplicate=0.5))["b"] == "near_duplicate"


def test_a_chain_of_near_copies_is_one_cluster() -> None:
    rows = [row(f"n{n}", 1, *range(0, 2 * n, 2)) for n in range(8)]
    rows[0]["evidence_ids"] = ["e1", "e2"]
    found = done(rows)
    assert found.result.kept["request_ids"].to_list() == [["n0"]]
    assert found.result.kept["cluster_size"].to_list() == [8]


def test_what_earlier_drops_hold_is_refused_and_named_but_may_be_replayed() -> None:
    before = done([row("a", 1), row("b", 2)])
    rows = [
        row("again", 1),
        row("near", 2, 30),
        row("new", 3),
        row("replayed", 1, slice="replay"),
    ]
    found = done(rows, stored(before))
    assert outcome(found) == {
        "again": "duplicate",
        "near": "near_duplicate",
        "new": "kept",
        "replayed": "kept",
    }
    details = found.result.refused["detail"].to_list()
    assert all(detail.endswith("of drop D1") for detail in details)
    assert any(detail.startswith("estimated similarity 0.") for detail in details)


def test_sketches_of_other_rules_are_not_compared() -> None:
    before = stored(done([row("a", 1)])).with_columns(algorithm=pl.lit("sketch@0"))
    assert outcome(done([row("again", 1)], before)) == {"again": "kept"}


def test_sketch_rows_fit_their_table_and_read_back() -> None:
    found = done([row("a", 1), row("b", 2), row("c", 3, chosen=None, kind="unpaired")])
    rows = stored(found).collect()
    validate("example_sketches", rows.select(list(frame_schema("example_sketches"))))
    back = unpacked(rows)
    assert np.array_equal(back.keys, found.sketches.keys)
    assert np.array_equal(back.signatures, found.sketches.signatures)
    assert rows["algorithm"].unique().to_list() == [ALGORITHM]


MANY = [row(f"r{n}", n % 7, *([] if n % 3 else [n % 50]), failure_score=(n % 5) / 5) for n in range(60)]


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(len(MANY))))
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    one, other = done(MANY), done([MANY[n] for n in order])
    assert other.result.kept.equals(one.result.kept)
    assert outcome(other) == outcome(one)
    assert np.array_equal(other.sketches.keys, one.sketches.keys)


@pytest.mark.parametrize(("chunk", "block"), [(1, 1), (7, 3), (10_000, 10_000)])
def test_how_rows_are_split_changes_nothing(monkeypatch: pytest.MonkeyPatch, chunk: int, block: int) -> None:
    whole = done(MANY)
    monkeypatch.setattr("curation.sketches.CHUNK", chunk)
    monkeypatch.setattr(dedupe, "_BLOCK", block)
    assert done(MANY).result.kept.equals(whole.result.kept)


def test_no_rows_one_row_and_rows_without_words() -> None:
    assert done([]).result.kept.height == 0
    assert done([], stored(done([row("a", 1)]))).result.stats()["in"] == 0
    single = done([row("a", 1)])
    assert single.result.kept["cluster_size"].to_list() == [1]
    assert done([row("a", 1)], stored(done([]))).result.kept.height == 1
    wordless = [final_row("x", "…", "!", "?"), final_row("y", "…", "!", "?!"), final_row("z", "…", "!", "?")]
    assert sorted(outcome(done(wordless)).values()) == ["duplicate", "kept", "kept"]


@pytest.mark.parametrize(
    "unit", ["word ", "语言", "مرحبا ", "👍🏽", "\x00\x1b", "\u202e\u200d", "a\u0301 ", "สวัสดี"], ids=ascii
)
def test_texts_of_any_script_and_size(unit: str) -> None:
    long = unit * (300_000 // len(unit))
    found = done(
        [
            row("a", 1, prompt=long, evidence_ids=["e1", "e2"]),
            row("b", 1, prompt=long + unit * 2),
            row("c", 2),
        ]
    )
    assert outcome(found)["c"] == "kept"
    assert outcome(found)["a"] == "kept"
    assert outcome(found)["b"] == "near_duplicate"


def test_near_copies_in_a_script_without_spaces_are_found() -> None:
    base = "今天天气很好我们一起去公园散步吧然后再去吃饭看电影最后回家休息明天继续努力学习工作"
    rows = [
        row("a", 1, prompt=base * 2, evidence_ids=["e1", "e2"]),
        row("b", 1, prompt=base * 2 + "好"),
        row("c", 1, prompt=base[::-1]),
    ]
    assert outcome(done(rows)) == {"a": "kept", "b": "near_duplicate", "c": "kept"}


def test_a_thousand_near_copies_become_one_row() -> None:
    base = text("base", 200)
    rows = [row(f"r{n}", 1, prompt=changed(base, n % 200)) for n in range(1000)]
    found = done(rows)
    assert found.result.kept["cluster_size"].to_list() == [1000]
    assert set(found.result.refused["date"]) == {DAY}
    assert len(sketch(found.result.kept)) == 1
