"""What is found and what is left alone, by hand-picked texts and by the labelled set."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.redaction_set.generate import Example, examples
from curation.redaction import Redactor
from curation.redaction.findings import Finding

REDACTOR = Redactor()

FOUND = [
    ("Order for Jo, jo.o'brien+x@mail.example.co.uk.", "Order for Jo, <EMAIL_1>."),
    ("write jo [at] example [dot] org", "write <EMAIL_1>"),
    ("我的邮箱是zhang@example.com谢谢，电话13812345678", "我的邮箱是<EMAIL_1>谢谢，电话<PHONE_1>"),
    ("رقم هاتفي \u202a+966 50 123 4567\u202c", "رقم هاتفي \u202a<PHONE_1>\u202c"),
    ("電話は０９０－１２３４－５６７８です", "電話は<PHONE_1>です"),
    ("My direct line is 555-0142.", "My direct line is <PHONE_1>."),
    ("(212) 555-0134 is the desk", "<PHONE_1> is the desk"),
    ("Amex 3782 822463 10005 please", "Amex <CARD_1> please"),
    ("pay DE89 3704 0044 0532 0130 00 now", "pay <IBAN_1> now"),
    ("ssh root@10.1.2.3", "ssh root@<IP_ADDRESS_1>"),
    ("from 2001:db8::ff00:42:8329 at noon", "from <IP_ADDRESS_1> at noon"),
    ("postgres://bob:hunter22@db.example.com/x", "postgres://<CREDENTIALS_1>@db.example.com/x"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "<SECRET_1>"),
    ("my password is Hunter22", "my password is <SECRET_1>"),
    ("my SSN is 123-45-6789 😀", "my SSN is <NATIONAL_ID_1> 😀"),
    ("CPF 529.982.247-25", "CPF <NATIONAL_ID_1>"),
    ("Dear Anna,\nthanks\nBest regards,\nJohn Smith", "Dear <PERSON_1>,\nthanks\nBest regards,\n<PERSON_2>"),
]

LEFT = [
    "git@github.com:org/repo.git and logo@2x.png and @types/node@18.11.9",
    "version 1.2.3.4, 127.0.0.1, 255.255.255.0, std::vector<int> a::b::c",
    "Order 4482-1193-0021-7765 of 2026-03-01 12:00:00, id 1700000000000",
    "3.14159265358979 * 1000000007 = 3141592657571",
    "password: required; api_key = os.getenv('API_KEY'); max_tokens=4096",
    "doi:10.1038/s41586-020-2649-2, ISBN 978-3-16-148410-0",
    "550e8400-e29b-41d4-a716-446655440000",
    "call foo(12345678, 87654321)",
    "Dear Sir or Madam,\nBest,\nThe Support Team",
]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_personal_data_is_replaced_and_the_rest_stays(text: str, expected: str) -> None:
    assert REDACTOR.redact_conversation([text])[0] == [expected]


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_personal_stays(text: str) -> None:
    assert REDACTOR.redact_conversation([text]) == ([text], Counter())


def _covers(found: list[Finding], example: Example) -> tuple[int, int, int]:
    """Labels found, labels missed, findings without a label."""
    hit = sum(
        any(f.kind == label.kind and f.start <= label.start and f.end >= label.end for f in found)
        for label in example.labels
    )
    wrong = sum(
        not any(f.kind == lab.kind and f.start < lab.end and f.end > lab.start for lab in example.labels)
        for f in found
    )
    return hit, len(example.labels) - hit, wrong


@pytest.mark.parametrize("part", ["tuning", "report"])
def test_recall_and_precision_on_the_labelled_set(part: str) -> None:
    structured: Counter[str] = Counter()
    for example in examples(part, repeats=2, seed=29):  # type: ignore[arg-type]
        hit, missed, wrong = _covers(REDACTOR.find(example.text), example)
        structured.update(hit=hit, missed=missed, wrong=wrong)
    assert structured["hit"] >= 0.98 * (structured["hit"] + structured["missed"])
    assert structured["hit"] >= 0.97 * (structured["hit"] + structured["wrong"])


ADVERSARIAL = {
    "letters": "a" * 200000,
    "digits": "1" * 200000,
    "spaced digits": "1 " * 100000,
    "dotted digits": "1." * 100000,
    "dashed": "1-" * 100000,
    "at signs": "a@" * 100000,
    "almost addresses": "a@b." * 50000,
    "colons": "a:" * 100000,
    "brackets": "(((" * 60000,
    "quotes": '"\\' * 100000,
    "urls": "a://b:" * 32000,
    "passwords": "password is " * 16000,
    "names": "Dear Aa " * 24000,
    "regards": "regards\n" * 24000,
    "upper": "AB12" * 50000,
    "pem": "-----BEGIN PRIVATE KEY-----" * 6000,
    "jwt": "eyJ" * 60000,
    "keys": "sk-" * 60000,
    "emoji": "😀" * 60000,
    "han": "我叫" * 60000,
    "control": "\x00\x1f" * 100000,
}


@pytest.mark.timeout(60)  # what backtracks here takes hours
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_long_text_made_to_be_slow_is_read_in_seconds(name: str) -> None:
    text = ADVERSARIAL[name]
    once, counts = REDACTOR.redact_conversation([text])
    assert once[0] is not None
    assert counts or once[0] == text
