"""Texts of open windows: what goes in comes out, in memory or on disk, until it is let go."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import text_store
from streams.text_store import TextStore

TEXTS = st.lists(st.none() | st.text(max_size=60), max_size=30)


def column(texts: list[str | None]) -> pl.Series:
    return pl.Series("text", texts, dtype=pl.String)


@given(st.lists(TEXTS, max_size=6), st.integers(0, 400), st.randoms(use_true_random=False))
def test_every_text_comes_back_wherever_it_lies_and_in_whatever_order(
    batches: list[list[str | None]], memory_bytes: int, dice: object
) -> None:
    store = TextStore(memory_bytes=memory_bytes)
    numbers = [store.put(column(batch)) for batch in batches]
    together = pl.concat(numbers) if numbers else pl.Series([], dtype=pl.Int64)
    order = list(range(together.len()))
    dice.shuffle(order)  # type: ignore[attr-defined]
    given_texts = [text for batch in batches for text in batch]

    read = store.get(together.gather(order)).to_list() if order else []

    assert read == [given_texts[i] for i in order]
    assert store.memory_bytes <= memory_bytes


def test_what_does_not_fit_into_memory_goes_to_a_file_without_a_name(tmp_path: Path) -> None:
    store = TextStore(memory_bytes=10, folder=tmp_path)
    small = store.put(column(["0123456789"]))
    large = store.put(column(["a" * 1000, None, "b" * 2000, "c"]))

    assert (store.memory_bytes, store.spilled_bytes) == (10, 3001)
    assert list(tmp_path.iterdir()) == []
    assert store.get(large.gather([3, 0])).to_list() == ["c", "a" * 1000]
    assert store.get(small).to_list() == ["0123456789"]


def test_a_slice_of_a_column_keeps_its_texts(tmp_path: Path) -> None:
    whole = column([f"text {i}" for i in range(100)])
    store = TextStore(memory_bytes=0, folder=tmp_path)
    assert store.get(store.put(whole.slice(90, 5))).to_list() == whole.slice(90, 5).to_list()


def test_old_texts_are_let_go_and_their_file_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_store, "FILE_BYTES", 100)
    store = TextStore(memory_bytes=0)
    numbers = [store.put(column([str(i) * 100])) for i in range(5)]
    before = len(list(Path("/proc/self/fd").iterdir()))

    store.keep_from(int(numbers[3][0]))

    assert len(store) == 2
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 3
    assert store.get(pl.concat(numbers[3:])).to_list() == ["3" * 100, "4" * 100]
    store.keep_from(None)
    assert (len(store), store.spilled_bytes, store.memory_bytes) == (0, 0, 0)


def test_without_a_place_for_a_file_texts_stay_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = TextStore(memory_bytes=0, folder=tmp_path / "missing")
    numbers = store.put(column(["kept", None]))
    assert store.get(numbers).to_list() == ["kept", None]
    assert store.memory_bytes == 4
    assert "stay in memory" in caplog.text
