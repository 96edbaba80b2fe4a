"""Pairwise verdicts as judges leave them: two orders, one winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from contracts.errors import LabelsInvalid
from curation.agreement.fields import find, pick, required, turn_of

Choice = Literal["first", "second", "tie", "error"]
"""What a judge said in one order: the answer shown first, the one shown second, neither."""

Winner = Literal["a", "b", "tie", "inconsistent", "error"]
"""What both orders come to."""

JUDGE: Final = ("judge_id", "judge", "judge_epoch", "epoch")
QUESTION: Final = ("question_id", "item", "item_id", "request_id", "id")
MODEL_A: Final = ("model_a", "model_1")
MODEL_B: Final = ("model_b", "model_2")
ORDER_AB: Final = ("winner_ab", "g1_winner")
ORDER_BA: Final = ("winner_ba", "g2_winner")

_LETTERS: Final[Mapping[str, Choice]] = {
    "a": "first",
    "b": "second",
    "tie": "tie",
    "c": "tie",
    "error": "error",
}
_FASTCHAT: Final[Mapping[str, tuple[Choice, Choice]]] = {
    "model_1": ("first", "second"),
    "model_2": ("second", "first"),
}
"""FastChat resolves g1_winner and g2_winner to models: what that means in the first and second order."""

Lengths = Mapping[tuple[str, str, int], int]
"""(question, model, turn from 1) → characters of the answer."""


@dataclass(frozen=True)
class PairVerdict:
    """One judge on two answers to one question, models in alphabetical order.

    ``ab`` is the choice when a's answer was shown first, ``ba`` when b's was; None when the file has the
    outcome of both orders only.
    """

    judge: str
    question: str
    turn: int
    category: str | None
    model_a: str
    model_b: str
    ab: Choice | None
    ba: Choice | None
    winner: Winner
    length_a: int | None = None
    length_b: int | None = None

    @property
    def item(self) -> tuple[str, int, str, str]:
        """What was compared, whoever judged it."""
        return (self.question, self.turn, self.model_a, self.model_b)


def outcome(ab: Choice, ba: Choice) -> Winner:
    """The winner of two orders: a model that wins in both, a tie in both; everything else is inconsistent."""
    if "error" in (ab, ba):
        return "error"
    if (ab, ba) == ("first", "second"):
        return "a"
    if (ab, ba) == ("second", "first"):
        return "b"
    return "tie" if ab == ba == "tie" else "inconsistent"


@dataclass(frozen=True)
class PairwiseRows:
    """Verdicts read, and how many state another winner than their two orders give."""

    verdicts: list[PairVerdict]
    winner_mismatches: int


def read_pairwise(
    records: Sequence[Mapping[str, Any]], *, lines: Sequence[int], lengths: Lengths | None = None
) -> PairwiseRows:
    """Read `judge_id, question_id, model_a, model_b, winner_ab, winner_ba` (turn, category, winner optional).

    `winner_ab` is the position chosen (A: shown first) with model_a first, `winner_ba` with model_b first.
    FastChat's `model_1, model_2, g1_winner, g2_winner` are understood too. `length_a` and `length_b` count
    where ``lengths`` has no answer. Raises `LabelsInvalid` naming the line.
    """
    if not records:
        raise LabelsInvalid("there are no verdicts", hint="Each line is one comparison by one judge.")
    names = {name for record in records for name in record}
    judge = pick(names, JUDGE, given=None, what="judge", option="one of these")
    question = pick(names, QUESTION, given=None, what="question", option="one of these")
    model_a = pick(names, MODEL_A, given=None, what="first model", option="one of these")
    model_b = pick(names, MODEL_B, given=None, what="second model", option="one of these")
    ab = find(names, ORDER_AB, given=None, option="")
    ba = find(names, ORDER_BA, given=None, option="")
    if (ab is None or ba is None) and "winner" not in names:
        raise LabelsInvalid(
            "no verdicts: neither winner_ab and winner_ba nor winner is there",
            hint="Write the position chosen in each order as winner_ab and winner_ba.",
        )
    verdicts: list[PairVerdict] = []
    seen: dict[tuple[Any, ...], int] = {}
    mismatches = 0
    for record, line in zip(records, lines, strict=True):
        who, what, a, b = (required(record, name, line) for name in (judge, question, model_a, model_b))
        if a == b:
            raise LabelsInvalid(f"line {line} compares {a} with itself", hint="Remove the record.")
        first = _choice(record.get(ab), line, 0) if ab and ba else None
        second = _choice(record.get(ba), line, 1) if ab and ba else None
        stated = _stated(record.get("winner"), a, b, line)
        winner = outcome(first, second) if first and second else stated
        if winner is None:
            raise LabelsInvalid(
                f"line {line} has no verdict", hint="Write error where an order did not parse."
            )
        mismatches += stated is not None and stated != winner
        turn = turn_of(record.get("turn"), line)
        verdict = _oriented(
            PairVerdict(
                judge=who,
                question=what,
                turn=turn,
                category=None if record.get("category") is None else str(record["category"]),
                model_a=a,
                model_b=b,
                ab=first,
                ba=second,
                winner=winner,
                length_a=(lengths or {}).get((what, a, turn), _length(record.get("length_a"), line)),
                length_b=(lengths or {}).get((what, b, turn), _length(record.get("length_b"), line)),
            )
        )
        key = (verdict.judge, *verdict.item)
        if key in seen:
            raise LabelsInvalid(
                f"line {line} repeats line {seen[key]}: {who} on question {what}, turn {turn}, {a} and {b}",
                hint="Keep one verdict per judge and comparison.",
            )
        seen[key] = line
        verdicts.append(verdict)
    return PairwiseRows(verdicts, mismatches)


def _oriented(verdict: PairVerdict) -> PairVerdict:
    """The same verdict with the models in alphabetical order, so that judges can be compared."""
    if verdict.model_a < verdict.model_b:
        return verdict
    swapped: dict[Winner, Winner] = {"a": "b", "b": "a"}
    return PairVerdict(
        judge=verdict.judge,
        question=verdict.question,
        turn=verdict.turn,
        category=verdict.category,
        model_a=verdict.model_b,
        model_b=verdict.model_a,
        ab=verdict.ba,
        ba=verdict.ab,
        winner=swapped.get(verdict.winner, verdict.winner),
        length_a=verdict.length_b,
        length_b=verdict.length_a,
    )


def _choice(value: Any, line: int, order: int) -> Choice:
    word = str(value).strip().lower()
    if word in _FASTCHAT:
        return _FASTCHAT[word][order]
    if word not in _LETTERS:
        raise LabelsInvalid(
            f"line {line}: a verdict is none of A, B, tie and error",
            hint="Write the position chosen: A for the answer shown first, B for the second.",
        )
    return _LETTERS[word]


def _stated(value: Any, a: str, b: str, line: int) -> Winner | None:
    if value is None:
        return None
    known: dict[str, Winner] = {
        "tie": "tie",
        "inconsistent": "inconsistent",
        "error": "error",
        "a": "a",
        "b": "b",
        "model_a": "a",
        "model_b": "b",
        a: "a",
        b: "b",
    }
    if str(value) not in known:
        raise LabelsInvalid(
            f"line {line}: the winner is neither of the two models", hint="Or tie, inconsistent, error."
        )
    return known[str(value)]


def _length(value: Any, line: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise LabelsInvalid(
        f"line {line}: a length is not a whole number",
        hint="Characters or tokens, the same for both answers.",
    )


def answer_lengths(records: Sequence[Mapping[str, Any]], *, lines: Sequence[int]) -> Lengths:
    """Characters of every answer, from FastChat answer files (`question_id, model_id, choices[].turns[]`)."""
    found: dict[tuple[str, str, int], int] = {}
    for record, line in zip(records, lines, strict=True):
        try:
            turns = record["choices"][0]["turns"]
            key = (str(record["question_id"]), str(record["model_id"]))
            found |= {(*key, n): len(text) for n, text in enumerate(turns, start=1)}
        except (KeyError, IndexError, TypeError):
            raise LabelsInvalid(
                f"line {line} is not an answer",
                hint="Answers have question_id, model_id and choices[].turns[].",
            ) from None
    return found
