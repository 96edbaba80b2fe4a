"""Placeholders: one per value in a conversation, stable, and never in the way of those already there."""

from __future__ import annotations

import pickle
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.redaction_set.generate import examples
from curation.redaction import Redactor
from curation.redaction.redactor import Text

REDACTOR = Redactor()
SAMPLES = [e.text for part in ("tuning", "report") for e in examples(part, repeats=1, seed=3)]  # type: ignore[arg-type]


def redacted(*texts: str | None) -> list[str | None]:
    return REDACTOR.redact_conversation(texts)[0]


def test_prompt_answer_and_edit_share_placeholders() -> None:
    prompt = "I am jo@example.com, call me at +49 151 23456789. My boss is ann@example.com."
    answer = "Noted: JO@example.com and 0151 23456789."
    edit = "Noted: jo@example.com (0151/23456789), boss ann@example.com."
    assert redacted(prompt, answer, edit) == [
        "I am <EMAIL_1>, call me at <PHONE_1>. My boss is <EMAIL_2>.",
        "Noted: <EMAIL_1> and <PHONE_1>.",
        "Noted: <EMAIL_1> (<PHONE_1>), boss <EMAIL_2>.",
    ]


def test_a_value_known_from_one_text_is_found_in_the_others() -> None:
    assert redacted("my phone number is 9266 2044", "so 92662044 it is") == [
        "my phone number is <PHONE_1>",
        "so <PHONE_1> it is",
    ]
    assert redacted("so 92662044 it is") == ["so 92662044 it is"]


def test_a_person_is_the_same_by_first_name_and_by_title() -> None:
    assert redacted(
        "My name is Maria Garcia.", "Hello Maria, as Ms. Garcia you may enter. Garcia's key."
    ) == [
        "My name is <PERSON_1>.",
        "Hello <PERSON_1>, as Ms. <PERSON_1> you may enter. <PERSON_1>'s key.",
    ]


def test_placeholders_of_the_user_are_not_given_out_again() -> None:
    assert redacted("<EMAIL_1> stands for what? I am jo@example.com", None) == [
        "<EMAIL_1> stands for what? I am <EMAIL_2>",
        None,
    ]


def test_counts_are_of_spans_by_kind_and_hold_no_text() -> None:
    _, counts = REDACTOR.redact_conversation(["jo@example.com jo@example.com", "ann@example.com"])
    assert counts == Counter(email=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=6))
def test_redacting_again_changes_nothing(texts: list[str]) -> None:
    once, _ = REDACTOR.redact_conversation(texts)
    again, counts = REDACTOR.redact_conversation(once)
    assert again == once
    assert not counts


def test_many_conversations_at_once_are_what_each_is_by_itself() -> None:
    conversations = [[Text(t) for t in SAMPLES[i : i + 3]] for i in range(0, 120, 3)]
    together = REDACTOR.redact_conversations(conversations)
    for conversation, result in zip(conversations, together, strict=True):
        texts, counts = REDACTOR.redact_conversation([t.text for t in conversation])
        assert (result.texts, result.counts) == (texts, counts)


def test_only_the_kinds_asked_for_are_redacted() -> None:
    emails = Redactor(["email"])
    assert emails.redact_conversation(["jo@example.com, SSN 123-45-6789"])[0] == [
        "<EMAIL_1>, SSN 123-45-6789"
    ]
    assert emails.transform != REDACTOR.transform
    with pytest.raises(ValueError, match="unknown kinds: shoe_size"):
        Redactor(["shoe_size"])  # type: ignore[list-item]


def test_a_redactor_can_be_sent_to_another_process() -> None:
    copy = pickle.loads(pickle.dumps(REDACTOR))
    assert copy.transform == REDACTOR.transform
    assert copy.redact_conversation(["jo@example.com"]) == REDACTOR.redact_conversation(["jo@example.com"])
