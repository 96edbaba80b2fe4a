"""Judges that are right or wrong on purpose, and items people have labelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from curation.judge.epoch import JudgeEpoch
from curation.judge.gold_items import GoldItem
from curation.judge.verdicts import FailureKind, JudgeItem, Judgment, UnjudgedReason, Verdict
from tests.curation.judge.helpers import item

Says = Callable[[JudgeItem], str]
"""fail, pass or unsure; anything else is the reason of an item without a verdict."""


class Opinion:
    """A judge that says what it is told to; `asked` counts the items it was given."""

    at_once = 256

    def __init__(self, says: Says, *, model: str = "opinion", confidence: float = 0.9, **epoch: Any) -> None:
        self.says = says
        self.confidence = confidence
        self.asked = 0
        self.epoch = JudgeEpoch(kind="openai", provider="test", model=model, rubric="default@1", **epoch)

    def judge(self, items: Sequence[JudgeItem], **_: Any) -> list[Judgment]:
        self.asked += len(items)
        return [self._one(each) for each in items]

    def _one(self, each: JudgeItem) -> Judgment:
        word = self.says(each)
        about = {"request_id": each.request_id, "content_hash": each.content_hash, "epoch": self.epoch.id}
        if word not in ("fail", "pass", "unsure"):
            return Judgment(**about, reason=UnjudgedReason(word))
        return Judgment(**about, verdict=verdict(word, self.confidence))


def verdict(word: str, confidence: float = 0.9, kind: FailureKind = FailureKind.FACTUAL) -> Verdict:
    failed = word == "fail"
    return Verdict(
        verdict=word,  # type: ignore[arg-type]
        confidence=confidence,
        failure_kind=kind if failed else None,
        severity=3 if failed else None,
        input_tokens=10,
        output_tokens=2,
    )


def by_id(answers: Mapping[str, str]) -> Says:
    """What to say of each request."""
    return lambda each: answers[each.request_id]


def gold_items(labels: str, **fields: Any) -> list[GoldItem]:
    """Items r0, r1, … with the labels of a word such as "ffpp"."""
    words = {"f": "fail", "p": "pass"}
    return [
        GoldItem(item=item(n), label=words[letter], **fields)  # type: ignore[arg-type]
        for n, letter in enumerate(labels)
    ]


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path
