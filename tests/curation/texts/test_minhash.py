from __future__ import annotations

import random

import numpy as np
import pytest
import rensa
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import TerminalError
from curation.texts.minhash import (
    BUCKET_PAIRS,
    PERMUTATIONS,
    band_keys,
    candidate_pairs,
    estimate,
    jaccard,
    shingles,
    signatures,
)

WORDS = [f"w{n}" for n in range(3000)]


def near_copies(pairs: int, words: int = 150) -> list[str]:
    """Texts two by two: one, and the same with a few words replaced."""
    draw = random.Random(5)
    texts = []
    for _ in range(pairs):
        text = draw.choices(WORDS, k=words)
        copy = list(text)
        for _ in range(draw.randrange(6)):
            copy[draw.randrange(words)] = draw.choice(WORDS)
        texts += [" ".join(text), " ".join(copy)]
    return texts


def test_near_copies_meet_in_a_bucket_and_strangers_rarely_do() -> None:
    texts = near_copies(200)
    hashed, found = shingles(texts), set(candidate_pairs(band_keys(signatures(texts))).iter_rows())
    near = {(n, n + 1) for n in range(0, 400, 2) if jaccard(hashed.row(n), hashed.row(n + 1)) >= 0.8}
    assert len(near) > 100
    assert near <= found
    assert len(found) <= 200


def test_the_estimate_is_close_to_the_truth() -> None:
    texts = near_copies(200)
    hashed, signed = shingles(texts), signatures(texts)
    truth = np.array([jaccard(hashed.row(n), hashed.row(n + 1)) for n in range(0, 400, 2)])
    errors = estimate(signed[::2], signed[1::2]) - truth
    assert abs(errors.mean()) < 0.01
    assert errors.std() < 0.05


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(["a b c d e f g", "A, b c d e f g!", "x", "", "!", "日本語の文章"]), max_size=8)
)
def test_a_signature_depends_on_the_words_alone(texts: list[str]) -> None:
    together = signatures(texts)
    assert together.shape == (len(texts), PERMUTATIONS)
    for index, text in enumerate(texts):
        assert np.array_equal(together[index], signatures([text])[0])


def test_texts_without_words_never_meet() -> None:
    assert candidate_pairs(band_keys(signatures(["", None, "…", "", " "]))).height == 0
    assert candidate_pairs(band_keys(signatures([]))).height == 0


def test_a_bucket_of_thousands_stays_linear_and_connected() -> None:
    count = 3000
    pairs = candidate_pairs(band_keys(signatures(["the very same words again and again"] * count)))
    assert pairs.height <= count * (BUCKET_PAIRS + 1)
    assert set(pairs["left"]) | set(pairs["right"]) == set(range(count))
    assert pairs.filter(pairs["left"] == 0)["right"].to_list() == list(range(1, count))


def test_jaccard_counts_each_shingle_once() -> None:
    hashed = shingles(["a b c d e f", "a b c d e a b c d e a b c d e f", "", "x y"])
    assert jaccard(hashed.row(0), hashed.row(0)) == 1.0
    assert jaccard(hashed.row(0), hashed.row(1)) == pytest.approx(2 / 6)
    assert jaccard(hashed.row(2), hashed.row(2)) == 0.0
    assert jaccard(hashed.row(0), hashed.row(3)) == 0.0


def test_another_algorithm_of_the_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newer:
        ALGORITHM_VERSION = 3

    monkeypatch.setattr(rensa, "RMinHash", Newer)
    with pytest.raises(TerminalError, match="version 3") as caught:
        signatures(["x"])
    assert caught.value.hint
