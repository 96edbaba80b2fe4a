"""Rows with a key of their own: each key is there once, whoever writes it and how often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import TableInvalid
from sinks.lake import Lake
from sinks.transactions import append_new
from tests.factories import table_rows
from tests.lakes import new_lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def write(lake: Lake, *epochs: str) -> int:
    rows = table_rows("judge_epochs", [{"epoch": epoch} for epoch in epochs])
    return append_new(lake, "judge_epochs", rows, key="epoch")


def held(lake: Lake) -> list[str]:
    return sorted(lake.scan("judge_epochs").collect()["epoch"])


def test_what_is_there_is_not_written_again(lake: Lake) -> None:
    assert write(lake, "a", "b", "a") == 2
    assert write(lake, "b", "c") == 1
    assert write(lake, "a") == write(lake) == 0
    assert held(lake) == ["a", "b", "c"]


def test_the_first_row_of_a_key_stays(lake: Lake) -> None:
    for model in ("first", "second"):
        append_new(
            lake, "judge_epochs", table_rows("judge_epochs", [{"epoch": "a", "model": model}]), key="epoch"
        )
    assert lake.scan("judge_epochs").collect()["model"].to_list() == ["first"]


def test_writers_at_once_leave_each_key_once(lake: Lake) -> None:
    def writer(start: int) -> int:
        return sum(
            write(Lake(lake.root), *(str(n) for n in range(k, k + 4))) for k in range(start, start + 3)
        )

    with ThreadPoolExecutor(4) as pool:
        written = sum(pool.map(writer, range(4)))
    assert held(lake) == sorted(str(n) for n in range(9))
    assert written == 9


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), max_size=4))
def test_any_batches_come_to_their_distinct_keys(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[str]]
) -> None:
    lake = new_lake(tmp_path_factory.mktemp("lake"))
    written = sum(write(lake, *batch) for batch in batches)
    assert held(lake) == sorted({key for batch in batches for key in batch})
    assert written == len(held(lake))


def test_rows_that_do_not_fit_are_refused(lake: Lake) -> None:
    rows = table_rows("judge_epochs", [{"epoch": "a"}]).drop("model")
    with pytest.raises(TableInvalid, match="judge_epochs"):
        append_new(lake, "judge_epochs", rows, key="epoch")
    assert held(lake) == []
