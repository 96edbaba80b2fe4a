"""What is copied word for word is found, where it is."""

from __future__ import annotations

import string

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.contamination.background import learn
from curation.contamination.index import ContaminationIndex
from curation.contamination.sides import TURN
from tests.curation.contamination.samples import DUCKS, EVALS, PLAIN, ROBE, items, rows

INDEX = ContaminationIndex.build(EVALS)
LITERAL = ("exact", "ngram13", "ngram8")

word = st.text(string.ascii_lowercase + "éßжあ中ﬁ", min_size=1, max_size=7)
filler = st.lists(word, max_size=30).map(" ".join)


def hits_of(index: ContaminationIndex, frame: pl.DataFrame, *layers: str) -> pl.DataFrame:
    return index.check(frame).filter(pl.col("layer").is_in(layers or LITERAL))


@given(
    before=filler, after=filler, item=st.sampled_from([("ducks", DUCKS), ("robe", ROBE)]), upper=st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_a_planted_item_is_found_at_its_place(
    before: str, after: str, item: tuple[str, str], upper: bool
) -> None:
    name, text = item
    planted = text.upper() if upper else text
    whole = f"{before} {planted} {after}"
    found = hits_of(INDEX, rows(whole), "exact")
    assert found["item_id"].to_list() == [name]
    hit = found.row(0, named=True)
    start = len(before) + 1
    # The span is that of the words: punctuation at the end of the item is no part of it.
    assert hit["start"] == start
    assert whole[hit["start"] : hit["end"]] == planted.rstrip("?")
    assert (hit["side"], hit["score"], hit["severe"]) == ("prompt", 1.0, True)


@given(cut=st.integers(13, 40), before=filler)
@settings(max_examples=30, deadline=None)
def test_a_stretch_of_an_item_is_found_at_its_place(cut: int, before: str) -> None:
    part = " ".join(DUCKS.split(" ")[:cut])
    whole = f"{before}. {part}"
    found = hits_of(INDEX, rows(whole), "ngram13")
    assert found["item_id"].to_list() == ["ducks"]
    hit = found.row(0, named=True)
    assert hit["start"] == len(before) + 2
    assert part.startswith(whole[hit["start"] : hit["end"]])
    assert 0.2 <= hit["score"] <= 1


def test_an_edited_copy_is_still_an_8_gram_hit() -> None:
    words = DUCKS.split(" ")
    words[12:12] = ["gladly"]
    words[24] = "six"
    words[36:36] = ["really"]
    layers = set(INDEX.check(rows(" ".join(words)))["layer"])
    assert "ngram8" in layers
    assert "exact" not in layers


def test_a_short_quotation_is_no_hit() -> None:
    assert hits_of(INDEX, rows("She said: How much in dollars does she make? Nobody knew.")).is_empty()


def test_prompt_chosen_and_rejected_are_told_apart() -> None:
    found = hits_of(INDEX, rows((PLAIN, ROBE, f"No. {DUCKS}")), "exact")
    assert set(found.select("side", "item_id").rows()) == {("chosen", "robe"), ("rejected", "ducks")}


def test_an_item_across_prompt_and_answer_is_found_in_the_joined_side() -> None:
    words = DUCKS.split(" ")
    prompt, chosen = " ".join(words[:25]), " ".join(words[25:])
    found = hits_of(INDEX, rows((f"{PLAIN}{TURN}{prompt}", chosen, PLAIN)), "exact")
    assert found.select("side", "item_id").rows() == [("prompt+chosen", "ducks")]
    hit = found.row(0, named=True)
    joined = f"{PLAIN}{TURN}{prompt}{TURN}{chosen}"
    assert joined[hit["start"] : hit["end"]] == f"{prompt}{TURN}{chosen}".rstrip("?")


def test_every_turn_of_a_prompt_and_all_of_it_are_checked() -> None:
    short = ContaminationIndex.build(items({"capital": "Which city?", "long": ROBE}))
    assert hits_of(short, rows(f"Hello{TURN}which CITY{TURN}bye"))["item_id"].to_list() == ["capital"]
    half = ROBE.split(" ")
    split = f"{' '.join(half[:10])}{TURN}{' '.join(half[10:])}"
    assert hits_of(short, rows(split), "exact")["item_id"].to_list() == ["long"]


def test_items_too_short_count_only_as_a_whole_turn_and_short_answers_never() -> None:
    index = ContaminationIndex.build(
        pl.concat([items({"q": "Capital of France?"}), items({"a": "42"}, eval_set="answers", role="answer")])
    )
    assert hits_of(index, rows("capital of france", ("What is it?", "42", None)))["key"].to_list() == ["r0"]
    assert index.check(rows("Tell me: the capital of France? And of Spain?")).is_empty()


def test_a_template_of_the_set_is_no_leak() -> None:
    template = (
        "Answer the following question with one single letter and nothing else, then explain your choice:"
    )
    topics = ["owls", "ferries", "violins", "glaciers", "spices", "tariffs"]
    index = ContaminationIndex.build(
        items({t: f"{template} what do most {t} have in common with rivers?" for t in topics})
    )
    assert hits_of(index, rows(f"{template} is tea better than coffee?")).is_empty()
    assert hits_of(index, rows(f"{template} what do most owls have in common with rivers?"), "exact")[
        "item_id"
    ].to_list() == ["owls"]


def test_what_is_frequent_in_the_products_own_traffic_is_no_leak() -> None:
    system = (
        "You are a helpful support agent of the Riverside company and you answer politely in two sentences."
    )
    evals = items({"template": f"{system} Customer: my parcel is lost.", "greeting": "Hi there"})
    bare = ContaminationIndex.build(evals)
    row = rows(f"{system}{TURN}How do I cancel?", "hi there")
    assert set(hits_of(bare, row)["key"]) == {"r0", "r1"}
    traffic = [[system, "Hi there", f"question {n}"] for n in range(30)]
    index = bare.with_background(evals, learn(traffic, *bare.learnable()))
    assert hits_of(index, row).is_empty()
    few = bare.with_background(evals, learn(traffic[:5], *bare.learnable()))
    assert set(hits_of(few, row)["key"]) == {"r0", "r1"}


def test_what_traffic_holds_rarely_still_counts() -> None:
    traffic = [[f"{PLAIN} number {n}"] for n in range(300)] + [[DUCKS]] * 3
    index = INDEX.with_background(EVALS, learn(traffic, *INDEX.learnable()))
    assert hits_of(index, rows(DUCKS), "exact")["item_id"].to_list() == ["ducks"]


@pytest.mark.parametrize(
    "text",
    [
        "小明有十六只鸭子,每天下蛋十六个,他早饭吃三个,剩下的以每个两元卖到市场,他每天赚多少钱",
        "แม่มีเป็ดสิบหกตัวและขายไข่ที่ตลาดทุกวันในราคาสองบาทต่อฟองแม่ได้เงินเท่าไรต่อวัน",
        "لدى جانيت ست عشرة بطة تبيض كل يوم وهي تأكل ثلاث بيضات في الفطور وتبيع الباقي في السوق",
        "לג'נט יש שש עשרה ברווזות והיא אוכלת שלוש ביצים בבוקר ומוכרת את השאר בשוק כל יום",
    ],
)
def test_other_scripts(text: str) -> None:
    index = ContaminationIndex.build(items({"foreign": text}))
    embedded = f"…\u202b ok {text} \u202c fin"
    found = hits_of(index, rows(embedded, text[: len(text) // 4]), "exact")
    assert found["key"].to_list() == ["r0"]
    hit = found.row(0, named=True)
    assert embedded[hit["start"] : hit["end"]] == text
    stretch = hits_of(index, rows(text[: len(text) * 2 // 3]), "ngram8", "ngram13")
    assert set(stretch["item_id"]) == {"foreign"}


def test_emoji_and_control_characters() -> None:
    emoji = "🦆🥚🍳🧁🏪💵🦆🥚🌅🥞"
    index = ContaminationIndex.build(pl.concat([items({"emoji": emoji}), EVALS]))
    assert hits_of(index, rows(f"look {emoji} nice"), "exact")["item_id"].to_list() == ["emoji"]
    hidden = DUCKS.replace("eggs", "eg\u200bgs\x00").replace("day", "da\u00ady")
    assert hits_of(index, rows(hidden), "exact")["item_id"].to_list() == ["ducks"]
    assert index.check(rows("\x00\x1f", "", "\u200b", (None, None, None))).is_empty()


def test_a_text_of_a_megabyte() -> None:
    noise = " ".join(f"word{n % 3000}" for n in range(60_000))
    text = f"{noise} {DUCKS} {noise}"
    assert len(text) > 1_000_000
    hit = hits_of(INDEX, rows(text, "x" * 1_000_000, "字" * 300_000), "exact").row(0, named=True)
    assert text[hit["start"] : hit["end"]] == DUCKS.rstrip("?")


def test_no_items_and_no_rows() -> None:
    empty = ContaminationIndex.build(EVALS.clear())
    assert empty.check(rows(DUCKS)).is_empty()
    assert INDEX.check(rows()).is_empty()
