"""What kind of change an edit is, on edits as people make them."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joiners.edits import EDIT_CLASSES, classify
from joiners.text import edit_ratio

LONG = (
    "Thank you for your message. Your order C-70455 left our warehouse in Westerby on 3 March and should"
    " reach you within two working days. You can follow it with the number in the mail we sent you. If it has"
    " not arrived by Friday, reply to this message and we will send another one at no cost to you. We are"
    " sorry for the wait and have added a voucher to your account, which you can use with your next order."
)


def kind(before: str, after: str) -> str:
    left, right = pl.Series([before]), pl.Series([after])
    return str(classify(left, right, edit_ratio(left, right)).item())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Hello Ann, the report is done.", "Hi Ann, the report is done!"),
        ("It does not work, we are sorry.", "It doesn't work, we're sorry."),
        ("You cannot change it.", "You can't change it."),
        ("the answer is yes", "The answer is yes."),
        ("## Steps\n\n- **Open** the page\n- Press save", "Steps:\n* Open the page\n* Press save"),
        ("Use it and save at most ten.", "Use it & save at most ten."),
        ("Please send it.", "Please send it.\n\nBest regards"),
        (LONG, LONG.replace("follow it", "track it")),
        (LONG, LONG + "\n"),
        ("ﬁnal report", "final report"),
        ("请问，首都是堪培拉。", "首都是堪培拉！"),
        ("Das ist die Antwort.", "Das ist die Antwort. Vielen Dank!"),
    ],
)
def test_cosmetic(before: str, after: str) -> None:
    assert kind(before, after) == "cosmetic"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LONG, LONG.replace("3 March", "5 March")),
        (LONG, LONG.replace("C-70455", "C-70456")),
        (LONG, LONG.replace("Westerby", "Lindenau")),
        ("The capital of Australia is Sydney.", "The capital of Australia is Canberra."),
        ("Sydney", "Canberra"),
        ("42", "43"),
        ("if x == 1:\n    return y", "if x != 1:\n    return y"),
        ("The total is 100 EUR.", "The total is 100 USD."),
        (LONG[:180], LONG),
        (LONG, LONG[:180]),
        ("The capital of Australia is Canberra, between Sydney and Melbourne.", "Canberra."),
        ("澳大利亚的首都是悉尼,它是一座大城市。", "澳大利亚的首都是堪培拉,它是一座大城市。"),
        ("オーストラリアの首都はシドニーです。", "オーストラリアの首都はキャンベラです。"),
        ("호주의 수도는 시드니입니다.", "호주의 수도는 캔버라입니다."),
        ("Lieferung am 3. Mai an die Filiale.", "Lieferung am 5. Mai an die Filiale."),
    ],
)
def test_corrective(before: str, after: str) -> None:
    assert kind(before, after) == "corrective"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Yes, the shop is open on Sundays.", "No, the shop is closed on Sundays."),
        ("You can return it within 30 days.", "You cannot return it within 30 days."),
        (LONG, LONG.replace("we will send", "we will not send")),
        ("We recommend to increase the dose.", "We recommend to decrease the dose."),
        ("The request was approved by the team.", "The request was rejected by the team."),
        ("I'm sorry, but I can't help with that.", "Open Settings, choose Security, then Reset password."),
        (
            "Das Gerät ist für den Außenbereich geeignet.",
            "Das Gerät ist nicht für den Außenbereich geeignet.",
        ),
        ("可以退货。", "不可以退货。"),
        ("はい、返品できます。", "いいえ、返品できません。"),
        ("Vous pouvez annuler la commande.", "Vous ne pouvez pas annuler la commande."),
    ],
)
def test_opposite(before: str, after: str) -> None:
    assert kind(before, after) == "opposite"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LONG, "My cat likes to sleep on a warm keyboard while nobody types anything useful at all."),
        (LONG, ""),
        ("", LONG),
        ("...", "Open the page and press save."),
        ("Open the page.", "Open the page. " + LONG),
        ("澳大利亚的首都是悉尼,它是一座大城市。", "请先打开设置页面,然后点击保存按钮。"),
    ],
)
def test_rewrite(before: str, after: str) -> None:
    assert kind(before, after) == "rewrite"


def test_whole_columns_at_once() -> None:
    before = pl.Series(["42", LONG, "Yes."])
    after = pl.Series(["43", LONG, "No."])
    found = classify(before, after, edit_ratio(before, after))
    assert found.to_list() == ["corrective", "cosmetic", "opposite"]
    assert classify(before.clear(), after.clear(), edit_ratio(before.clear(), after.clear())).to_list() == []


_texts = st.text(st.sampled_from("ab N.,!?不是あ\n'’-1é3«ß"), max_size=40) | st.text(max_size=40)


@settings(max_examples=60, deadline=None)
@given(_texts, _texts)
def test_every_edit_has_a_class_and_none_is_cosmetic_at_worst(before: str, after: str) -> None:
    left, right = pl.Series([before] * 3), pl.Series([after, before, f" {before}\n"])
    found = classify(left, right, edit_ratio(left, right)).to_list()
    assert found[0] in EDIT_CLASSES
    assert found[1:] == ["cosmetic", "cosmetic"]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20), st.text(max_size=60))
def test_the_class_does_not_depend_on_what_other_rows_there_are(a: str, b: str, c: str, d: str) -> None:
    before, after = pl.Series([a + b + d, "Yes.", b]), pl.Series([a + c + d, "No.", c])
    together = classify(before, after, edit_ratio(before, after)).to_list()
    assert together == [kind(x, y) for x, y in zip(before, after, strict=True)]
