"""What is told in other words is found; other questions of the same kind are not."""

from __future__ import annotations

import pickle

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.contamination.index import ContaminationIndex
from curation.contamination.passages import description, passages
from tests.curation.contamination.samples import DUCKS, EVALS, LIST_CODE, PLAIN, TRAINS, rows

INDEX = ContaminationIndex.build(EVALS)

DUCKS_REPHRASED = (
    "Each day the ducks of Janet produce 16 eggs. For her morning meal she consumes three, and she uses four "
    "to bake muffins for friends. What remains is sold at the farmers' market at $2 an egg. What is her "
    "daily income from the market in dollars?"
)
TRAINS_REPHRASED = (
    "At seven a.m. two cargo trains depart from Salisbury in opposite directions, at speeds of 60 and 45 km "
    "per hour. How long does it take until the distance between the trains is 315 km?"
)
CODE_REPHRASED = '''def nearby_elements_exist(values: list, limit: float) -> bool:
    """ Verifies whether any two numbers of the list are closer to each other than the threshold
    specified.
    >>> nearby_elements_exist([1.5, 2.5, 3.5], 0.7)
    False
    """
    values = sorted(values)
    return any(b - a < limit for a, b in zip(values, values[1:]))
'''


def found(text: str) -> set[str]:
    return set(INDEX.check(rows(text)).filter(layer="embedding")["item_id"])


@pytest.mark.parametrize(
    ("text", "item"),
    [(DUCKS_REPHRASED, "ducks"), (TRAINS_REPHRASED, "trains"), (CODE_REPHRASED, "close")],
)
def test_a_paraphrase_is_found(text: str, item: str) -> None:
    assert found(text) == {item}
    assert set(INDEX.check(rows(text))["layer"]) == {"embedding"}


def test_a_paraphrase_inside_a_longer_text_is_found_at_its_place() -> None:
    before = f"{PLAIN} Anyway, here is my homework from last week, maybe you know it. " * 4
    whole = f"{before}\n{DUCKS_REPHRASED}\n{PLAIN} {PLAIN}"
    hits = INDEX.check(rows(whole)).filter(layer="embedding")
    assert hits["item_id"].to_list() == ["ducks"]
    hit = hits.row(0, named=True)
    part = whole[hit["start"] : hit["end"]]
    assert "16 eggs" in part
    assert len(part) < 3 * len(DUCKS_REPHRASED)


@pytest.mark.parametrize(
    "text",
    [
        "Tom has 12 apples and gives 5 of them to Sara. Then he buys twice as many as he has left. How many "
        "apples does he have now?",
        "A bakery sells 24 muffins every morning at the market for $3 each. How much does it earn in a week?",
        "What time does the next train to Salisbury leave, and how long does the trip take on weekdays?",
        'def count_words(text: str) -> dict:\n    """Count how many times each word occurs in the text."""\n',
        PLAIN,
        "10",
        "Can you keep ducks in a small garden, and what do they eat in winter when there is no grass around?",
    ],
)
def test_other_questions_of_the_same_kind_are_not(text: str) -> None:
    assert INDEX.check(rows(text)).is_empty()


def test_of_code_what_it_says_it_does_counts() -> None:
    said = description(LIST_CODE)
    assert "has close elements" in said
    assert "closer to each other" in said
    assert ">>>" not in said
    assert "False" not in said
    assert description("x = 1") == ""


@given(st.text(max_size=400), st.integers(4, 40))
@settings(max_examples=60, deadline=None)
def test_passages_end_and_stay_within_the_text(text: str, size: int) -> None:
    for passage in passages(text, (size, 2 * size)):
        assert 0 <= passage.start < passage.end <= len(text)
        assert passage.words


SAMPLES = [DUCKS, DUCKS_REPHRASED, TRAINS, PLAIN, LIST_CODE, f"{PLAIN} {DUCKS} {PLAIN}", "…", CODE_REPHRASED]


@given(st.permutations(range(len(SAMPLES))), st.integers(1, len(SAMPLES)))
@settings(max_examples=12, deadline=None)
def test_rows_are_judged_alike_in_any_order_and_in_any_buckets(order: list[int], buckets: int) -> None:
    frame = rows(*((text, None if n % 2 else PLAIN, None) for n, text in enumerate(SAMPLES)))
    together = INDEX.check(frame)
    shuffled = frame[list(order)]
    parts = [INDEX.check(shuffled[n::buckets]) for n in range(buckets)]
    apart = pl.concat(parts).sort("key", "side", "eval_set", "item_id", "field", "layer", "start")
    assert apart.equals(together)
    assert together["key"].n_unique() == 6


def test_an_index_travels() -> None:
    frame = rows(DUCKS, DUCKS_REPHRASED, CODE_REPHRASED, PLAIN)
    travelled = pickle.loads(pickle.dumps(INDEX))
    assert travelled.check(frame).equals(INDEX.check(frame))


def test_an_index_does_not_depend_on_the_order_of_items() -> None:
    frame = rows(DUCKS, DUCKS_REPHRASED, CODE_REPHRASED, PLAIN)
    assert ContaminationIndex.build(EVALS[::-1]).check(frame).equals(INDEX.check(frame))


def test_a_set_registered_twice_hides_nothing() -> None:
    twice = pl.concat([EVALS, EVALS.with_columns(eval_set=pl.lit("copy"))])
    hits = ContaminationIndex.build(twice).check(rows(DUCKS_REPHRASED))
    assert set(hits["eval_set"]) == {"demo", "copy"}
