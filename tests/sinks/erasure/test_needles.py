"""Needles: what counts as a trace of a person, and what does not."""

from __future__ import annotations

import html
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.erasure import needles as module
from sinks.erasure.needles import Needles, pieces

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=30).filter(str.strip)


@given(needle=TEXT, around=st.lists(st.text(max_size=5), min_size=2, max_size=2))
def test_any_piece_of_text_is_found_wherever_it_stands(needle: str, around: list[str]) -> None:
    found = (
        Needles({}, {}).with_texts([needle]).search(pl.Series([None, needle.join(around), "nothing here"]))
    )
    assert found == {needle: 2 if needle in "nothing here" else 1}


@pytest.mark.parametrize("most", [0, 1_000])
def test_many_needles_are_found_as_few_are(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(module, "MOST_ALTERNATIVES", most)
    needles = Needles.of_ids(
        [("request", "request+1*(a)"), ("session", "session.22"), ("user_id", "müller|x y")]
    )
    texts = pl.Series(["so request+1*(a).", "session-22", "[session.22]", "müller|x y", "müller"])
    assert needles.search(texts) == {"request+1*(a)": 1, "session.22": 1, "müller|x y": 1}


def test_ids_count_as_words_only() -> None:
    needles = Needles.of_ids([("request", "request-1234")])
    texts = pl.Series(["request-12345", "my_request-1234", 'x"request-1234"y', "request-1234 request-12345"])
    assert needles.search(texts) == {"request-1234": 2}


def test_short_ids_are_looked_for_in_columns_of_ids_only() -> None:
    needles = Needles.of_ids([("request", "r1"), ("user_id", "7")])
    values = pl.Series(["r1", "r10", "7", None])
    assert needles.search(values) == {}
    assert needles.search_ids("request_id", values) == {"r1": 1, "7": 1}
    assert needles.search_ids("feature", values) == {}


def test_what_others_say_too_proves_nothing_within_texts() -> None:
    needles = Needles.of_ids([("user_id", "support-team")]).with_texts(["How do I reset my password?"])
    told = needles.without(["support-team", "How do I reset my password?"])
    assert told.search(pl.Series(["ask support-team: How do I reset my password?"])) == {}
    assert told.search_ids("user_key", pl.Series(["support-team"])) == {"support-team": 1}


def test_ids_are_known_by_their_hashes() -> None:
    needles = Needles({}, {}).with_hashes(
        lambda kind, value: f"{kind}:{value}", {"request": frozenset(["request:r1"])}
    )
    found = needles.search_ids("request_id", pl.Series(["r1", "r2", "r1"]))
    assert {needles.kind(needle): count for needle, count in found.items()} == {"request": 1}
    assert needles.search_ids("session_id", pl.Series(["r1"])) == {}


@given(st.text(max_size=200))
def test_pieces_look_the_same_in_json_and_html(text: str) -> None:
    for piece in pieces([text]):
        assert piece in text
        assert piece in json.dumps(text, ensure_ascii=False)
        assert piece in html.escape(text)
