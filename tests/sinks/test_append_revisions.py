"""Interactions: each (request, revision) once, with and without the writer's memory."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from contracts.errors import LakeUnavailable
from sinks import transactions
from sinks.lake import Lake
from sinks.transactions import append_once, append_revisions
from tests.factories import START, table_rows


def rows(*names: str, revision: int = 1, partition: int = 0, days: int = 0) -> pl.DataFrame:
    day = (START + timedelta(days=days)).date()
    return table_rows(
        "interactions",
        [{"request_id": n, "revision": revision, "partition": partition, "date": day} for n in names],
    )


def stored(lake: Lake) -> list[tuple[str, int]]:
    return sorted(lake.scan("interactions").select("request_id", "revision").collect().rows())


def test_what_is_held_is_not_written_again(lake: Lake) -> None:
    assert append_revisions(lake, rows("a", "b")) == 2
    assert append_revisions(lake, rows("b", "c")) == 1
    assert append_revisions(lake, rows("b", revision=2)) == 1
    assert append_revisions(lake, rows("a", "b", "c")) == 0
    assert stored(lake) == [("a", 1), ("b", 1), ("b", 2), ("c", 1)]


def test_memory_saves_the_look_up_and_changes_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    memory: dict[str, int] = {}
    append_revisions(lake, rows("a"), written=memory)
    with monkeypatch.context() as patch:
        patch.setattr(transactions.pl, "scan_delta", lambda *_: pytest.fail("looked up"))
        assert append_revisions(lake, rows("b"), written=memory) == 1
    assert stored(lake) == [("a", 1), ("b", 1)]


def test_a_foreign_write_in_between_brings_the_look_up_back(lake: Lake) -> None:
    memory: dict[str, int] = {}
    append_revisions(lake, rows("a"), written=memory)
    append_revisions(Lake(lake.root), rows("b", "x"))
    assert append_revisions(lake, rows("b", "c"), written=memory) == 1
    assert append_revisions(lake, rows("d"), written=memory) == 1
    assert stored(lake) == [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("x", 1)]


def test_memory_of_one_partition_says_nothing_of_another(lake: Lake) -> None:
    memory: dict[str, int] = {}
    append_revisions(lake, rows("a"), written=memory)
    append_revisions(Lake(lake.root), rows("b", partition=1))
    assert append_revisions(lake, rows("b", partition=1), written=memory) == 0
    assert append_revisions(lake, pl.concat([rows("b", partition=1), rows("c")]), written=memory) == 1
    assert stored(lake) == [("a", 1), ("b", 1), ("c", 1)]


def test_a_zombie_is_fenced_and_writes_nothing_twice(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    zombie: dict[str, int] = {}
    append_revisions(lake, rows("a"), written=zombie)
    real, calls = transactions.add_rows, []

    def overtaken(*args: object, **options: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            append_revisions(Lake(lake.root), rows("b"))
        real(*args, **options)

    monkeypatch.setattr(transactions, "add_rows", overtaken)
    assert append_revisions(lake, rows("b", "c"), written=zombie) == 1
    assert stored(lake) == [("a", 1), ("b", 1), ("c", 1)]


def test_a_failed_write_leaves_no_false_memory(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    memory: dict[str, int] = {}
    append_revisions(lake, rows("a"), written=memory)
    real = transactions.add_rows

    def committed_but_unheard(*args: object, **options: object) -> None:
        real(*args, **options)
        raise OSError("connection reset")

    with monkeypatch.context() as patch:
        patch.setattr(transactions, "add_rows", committed_but_unheard)
        with pytest.raises(LakeUnavailable):
            append_revisions(lake, rows("b"), written=memory)
    assert append_revisions(lake, rows("b"), written=memory) == 0
    assert stored(lake) == [("a", 1), ("b", 1)]


def test_a_batch_is_appended_once(lake: Lake) -> None:
    batch = table_rows("models", [{"model_id": "m"}])
    assert append_once(lake, "models", batch.clear(), batch_id="b1") == 0
    assert append_once(lake, "models", batch, batch_id="b1") == 1
    assert append_once(Lake(lake.root), "models", batch, batch_id="b1") == 0
    assert append_once(lake, "models", batch, batch_id="b2") == 1
    assert lake.scan("models").collect().height == 2
