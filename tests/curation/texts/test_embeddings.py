from __future__ import annotations

import importlib.util
import resource
import subprocess
import sys

import numpy as np
import pytest

from contracts.errors import TerminalError
from curation.texts import embeddings
from curation.texts.embeddings import MAX_CHARS, StaticEmbeddings


@pytest.fixture(scope="module")
def model() -> StaticEmbeddings:
    return StaticEmbeddings.load()


def test_a_paraphrase_is_nearer_than_another_question(model: StaticEmbeddings) -> None:
    asked, paraphrase, other = model.encode(
        ["How do I reset my password?", "I forgot my password, how can I set a new one?", "Weather in Paris?"]
    )
    assert asked @ paraphrase > 0.6 > asked @ other


def test_vectors_have_length_one_or_are_zero(model: StaticEmbeddings) -> None:
    texts = ["hello", "", None, " \n\t", "\ud800 lone surrogate", "漢字 🦜", "\x00", "مرحبا"]
    vectors = model.encode(texts)
    assert vectors.shape == (8, model.dimensions)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1).round(5).tolist()
    assert lengths == [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]


def test_a_vector_does_not_depend_on_its_neighbours(model: StaticEmbeddings) -> None:
    texts = [f"question number {n} about " + "many words " * (n % 700) for n in range(900)]
    together = model.encode(texts)
    for index in (0, 1, 450, 899):
        assert np.array_equal(together[index], model.encode([texts[index]])[0])


def test_no_texts(model: StaticEmbeddings) -> None:
    assert model.encode([]).shape == (0, model.dimensions)


def test_of_a_very_long_text_the_beginning_counts(model: StaticEmbeddings) -> None:
    start = "all about gardens " * (MAX_CHARS // 18 + 1)
    long = start[:MAX_CHARS] + " submarine" * 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    vectors = model.encode([long] * 40 + [start[:MAX_CHARS]])
    assert np.array_equal(vectors[0], vectors[-1])
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 200


def test_loading_leaves_the_package_and_logging_alone() -> None:
    script = (
        "import logging, sys\n"
        "from curation.texts.embeddings import StaticEmbeddings\n"
        "assert 'tokenizers' not in sys.modules\n"
        "print(StaticEmbeddings.load().encode(['x']).shape)\n"
        "assert 'wordllama' not in sys.modules and not logging.getLogger().handlers"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "(1, 256)\n", done.stderr


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    embeddings._load.cache_clear()
    try:
        with pytest.raises(TerminalError, match="weights") as caught:
            StaticEmbeddings.load()
        assert caught.value.hint
    finally:
        embeddings._load.cache_clear()
