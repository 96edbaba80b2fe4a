from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curation.novelty import SCALE, UNKNOWN, Whole, embed, novelty, pack, question, reference, unpack
from curation.texts.embeddings import StaticEmbeddings
from tests.curation.final_rows import turns

KNOWN = ["How do I reset my password?", "Where is my order?", "Translate this letter into French"]


@pytest.fixture(scope="module")
def model() -> StaticEmbeddings:
    return StaticEmbeddings.load()


@pytest.fixture(scope="module")
def known(model: StaticEmbeddings) -> Whole:
    return embed(model, KNOWN)


def test_the_nearer_to_what_was_dropped_the_less_new(model: StaticEmbeddings, known: Whole) -> None:
    asked = [
        "How do I reset my password?",
        "I forgot my password, how can I set a new one?",
        "Prove that there are infinitely many primes",
        "",
        None,
    ]
    same, paraphrase, other, blank, missing = novelty(embed(model, asked), known)
    assert same == 0.0
    assert 0.05 < paraphrase < 0.4 < other <= 1.0
    assert blank == missing == UNKNOWN


def test_without_earlier_drops_everything_is_new(model: StaticEmbeddings) -> None:
    nothing = embed(model, [])
    assert novelty(embed(model, ["hello", ""]), nothing).to_list() == [1.0, 1.0]
    assert novelty(nothing, nothing).len() == 0


def test_cosines_are_exact_in_whole_numbers(model: StaticEmbeddings, known: Whole) -> None:
    vectors = embed(model, [*KNOWN, "one more question", "语言模型"])
    exact = vectors.astype(np.int64) @ known.astype(np.int64).T
    assert np.array_equal((vectors.astype(np.float32) @ known.astype(np.float32).T).astype(np.int64), exact)
    longest = np.sqrt(np.square(vectors, dtype=np.int64).sum(axis=1)).max()
    assert abs(longest - SCALE) < 10
    assert longest**2 < 2**24


def test_novelty_does_not_depend_on_neighbours(model: StaticEmbeddings, known: Whole) -> None:
    vectors = embed(model, [f"question {n} about topic {n % 11}" for n in range(300)])
    together = novelty(vectors, known)
    alone = [novelty(vectors[n : n + 1], known)[0] for n in (0, 7, 299)]
    assert alone == [together[0], together[7], together[299]]


def test_the_reference_is_a_stable_sample_of_bounded_size(model: StaticEmbeddings) -> None:
    vectors = embed(model, [f"question number {n}" for n in range(50)])
    earlier = pl.DataFrame(
        {
            "example_id": [f"x{n}" for n in range(50)],
            "embedding": pack(vectors),
            "embedding_model": model.name,
        }
    )
    stranger = earlier.head(5).with_columns(
        example_id="other" + pl.col("example_id"), embedding_model=pl.lit("m")
    )
    one = reference(pl.concat([earlier, stranger]).lazy(), model, size=10, seed=1)
    shuffled = pl.concat([earlier, earlier.head(3)]).sample(fraction=1, shuffle=True, seed=3)
    assert one.shape == (10, model.dimensions)
    assert np.array_equal(one, reference(shuffled.lazy(), model, size=10, seed=1))
    assert not np.array_equal(one, reference(earlier.lazy(), model, size=10, seed=2))
    more = reference(earlier.head(49).lazy(), model, size=10, seed=1)
    assert len({v.tobytes() for v in one} & {v.tobytes() for v in more}) >= 9
    assert len(reference(earlier.clear().lazy(), model, size=10, seed=1)) == 0
    assert len(reference(earlier.lazy(), model, size=0, seed=1)) == 0


def test_vectors_survive_storage(model: StaticEmbeddings, known: Whole) -> None:
    assert np.array_equal(unpack(pack(known), model.dimensions), known)


def test_the_last_thing_the_user_asked_is_compared() -> None:
    said = turns(("system", "s"), ("user", "first"), ("assistant", "a"), ("user", "second"), ("tool", "t"))
    assert question(said) == "second"
    assert question(turns(("system", "s"))) is None
    assert question(None) is None
