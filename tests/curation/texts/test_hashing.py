from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.texts import hashing
from curation.texts.hashing import Ragged, content_hash, distinct, hash_texts, hash_tokens, ngrams

ROWS = st.lists(st.lists(st.sampled_from(["a", "b", "c", "é", "語"]), max_size=9), max_size=6)


def grams(row: Sequence[str], n: int) -> list[tuple[str, ...]]:
    if 0 < len(row) < n:
        return [tuple(row)]
    return [tuple(row[i : i + n]) for i in range(len(row) - n + 1)] if row else []


@given(ROWS, st.integers(1, 6))
def test_equal_runs_and_only_they_have_equal_hashes(rows: list[list[str]], n: int) -> None:
    hashed = ngrams(hash_tokens(rows), n)
    seen: dict[tuple[str, ...], int] = {}
    for index, row in enumerate(rows):
        expected = grams(row, n)
        assert len(hashed.row(index)) == len(expected)
        for gram, value in zip(expected, hashed.row(index).tolist(), strict=True):
            assert seen.setdefault(gram, value) == value
    assert len(set(seen.values())) == len(seen)


@given(ROWS, st.integers(1, 6))
def test_short_rows_can_be_left_out(rows: list[list[str]], n: int) -> None:
    lengths = ngrams(hash_tokens(rows), n, whole_if_shorter=False).lengths()
    assert lengths.tolist() == [max(0, len(row) - n + 1) for row in rows]


@given(ROWS)
def test_a_row_as_a_set(rows: list[list[str]]) -> None:
    sets = distinct(hash_tokens(rows))
    for index, row in enumerate(rows):
        assert sets.row(index).tolist() == sorted(set(hash_tokens([row]).flat.tolist()))


def test_no_rows() -> None:
    empty = hash_texts([])
    assert len(empty) == len(ngrams(empty, 5)) == len(distinct(empty)) == 0
    assert hash_texts([None, "", "!"]).lengths().tolist() == [0, 0, 0]


def test_a_full_vocabulary_changes_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"word{n}" for n in range(100)]
    before = hash_tokens([words]).flat.tolist()
    monkeypatch.setattr(hashing, "MAX_VOCABULARY", 7)
    small = hashing._TokenHashes()
    assert [small[word] for word in words] == before
    assert len(small) <= 7


def test_hashes_are_the_same_in_every_process() -> None:
    script = (
        "from curation.texts.hashing import hash_texts, ngrams\n"
        "from curation.texts.minhash import band_keys, signatures\n"
        "texts = ['the quick brown fox jumps over it', '私は学生です']\n"
        "print(ngrams(hash_texts(texts), 3).flat.tolist(), signatures(texts).tobytes().hex())\n"
        "print(band_keys(signatures(texts)).tolist())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(runs) == 1
    assert len(runs.pop()) > 1000


def test_token_hashes_are_pinned() -> None:
    assert hash_texts(["fox"]).flat.tolist() == [13_218_999_603_221_225_746]
    assert ngrams(hash_texts(["the quick brown fox"]), 2).flat.dtype == np.uint64


def test_a_content_hash_sees_borders_nulls_and_order() -> None:
    contents = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("abc", None), ("", "abc"), (None, "abc")]
    assert len({content_hash(parts) for parts in contents}) == len(contents)


def test_rows_of_a_ragged_column() -> None:
    column = Ragged(np.array([1, 2, 3], dtype=np.uint64), np.array([0, 2, 2, 3]))
    assert (len(column), column.row(0).tolist(), column.row(1).tolist()) == (3, [1, 2], [])
