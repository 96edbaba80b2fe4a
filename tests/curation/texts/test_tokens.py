from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.texts.tokens import normalize, token_spans, tokens

TRICKY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "aA zß\u0301\u0345\u0390\u3099か\uff9eｶ\u1100\u1161\u11a8\u200d\ufe0f\u20e3㍿½ﬁ\x00\x85\u2028"
        ),
    ),
    max_size=30,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World_don't!", ["hello", "world", "don", "t"]),
        ("Straße ÉTÉ e\u0301te\u0301", ["strasse", "été", "été"]),
        ("私は学生です。ABC", ["私", "は", "学", "生", "で", "す", "abc"]),
        ("สวัสดี", ["ส", "ว", "\u0e31", "ส", "ด", "\u0e35"]),
        ("ភាសា", ["ភ", "\u17b6", "ស", "\u17b6"]),
        ("မြန်မာ", list("မြန်မာ")),
        ("ພາສາລາວ", list("ພາສາລາວ")),
        ("한국어 문장", ["한국어", "문장"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("مرحبا، بالعالم", ["مرحبا", "بالعالم"]),
        ("\u202eשלום\u202c עולם", ["שלום", "עולם"]),
        ("👩\u200d👩\u200d👧 👍🏽ok 1\ufe0f\u20e3", ["👩", "👩", "👧", "👍", "ok", "1"]),
        ("pass\u200bword so\u00adft he\x00llo\x1b", ["password", "soft", "hello"]),
        ("a\tb\nc\u2028d\x85e\u00a0f", ["a", "b", "c", "d", "e", "f"]),
        ("Ｆｕｌｌ ﬁne ½ x²", ["full", "fine", "1", "2", "x2"]),
        ("\ud800x", ["x"]),
        ("3.14 + $2 = … !!!", ["3", "14", "2"]),
        ("", []),
        ("\x00\u200d", []),
    ],
)
def test_tokens_of_many_scripts(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_spaceless_scripts_give_about_a_token_per_character() -> None:
    assert len(tokens("今天天气很好我们去公园散步吧" * 100)) == 1400


@given(TRICKY)
def test_the_normal_form_is_its_tokens_and_a_fixed_point(text: str) -> None:
    normal = normalize(text)
    assert normal == " ".join(tokens(text))
    assert tokens(normal) == tokens(text)
    assert normalize(normal) == normal


@given(TRICKY)
def test_case_marks_and_invisible_characters_make_no_difference(text: str) -> None:
    assert tokens("\u200b".join(f"{text} Été!")) == tokens(f"{text} ÉTÉ?")


@given(TRICKY)
def test_spans_are_in_step_with_tokens_and_cut_them_out(text: str) -> None:
    found, spans = tokens(text), token_spans(text)
    assert len(found) == len(spans)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)
    for token, (start, end) in zip(found, spans, strict=True):
        assert 0 <= start < end <= len(text)
        assert token in tokens(text[start:end])


def test_spans_point_into_the_original() -> None:
    text = "He\x00llo, e\u0301te\u0301! 私は"
    assert [text[start:end] for start, end in token_spans(text)] == [
        "He\x00llo",
        "e\u0301te\u0301",
        "私",
        "は",
    ]


@pytest.mark.parametrize("unit", ["word ", "a", "語", "é", "e\u0301", "\u0301", "\x00", "👍🏽", "\u1161"])
def test_a_megabyte_of_anything_is_read(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    assert len(tokens(text)) in {0, 1, len(text) // len(unit)}


@pytest.mark.parametrize("unit", ["word ", "é", "語\u3099", "\x00x "])
def test_spans_of_long_texts(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    assert len(token_spans(text)) == len(tokens(text))
