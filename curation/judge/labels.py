"""Labels people give, and what several of them together say of an item. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from contracts.errors import LabelsInvalid
from curation.agreement.fields import ITEM, RATER, TIME, find, required
from curation.judge.verdicts import FailureKind, VerdictWord

Decision = Literal["fail", "pass"]

WORDS: Final[tuple[str, ...]] = get_args(VerdictWord)
ADJUDICATION: Final = "adjudication"
CONSENSUS: Final = "consensus"
SINGLE: Final = "single"


@dataclass(frozen=True, kw_only=True)
class Label:
    """What one person said of one item. ``adjudicated``: they had the last word."""

    item: str
    rater: str
    label: VerdictWord
    failure_kind: FailureKind | None = None
    adjudicated: bool = False


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What the labels of one item come to.

    ``label`` is None when they are tied or nobody could decide. ``source``: adjudication, consensus (several
    people) or single. ``failed`` and ``passed``: how many people said so. ``kind``: the kind of failure most
    of them named, None when tied.
    """

    label: Decision | None
    kind: FailureKind | None = None
    source: str = ""
    failed: int = 0
    passed: int = 0


def settle(labels: Sequence[Label]) -> Settled:
    """The majority of the labels of one item, one per person; an adjudicated one decides alone.

    Who is unsure does not vote. A tie is no label.
    """
    adjudicated = [each for each in labels if each.adjudicated]
    counts = Counter(each.label for each in labels)
    deciding = adjudicated or labels
    votes = Counter(each.label for each in deciding)
    failed, passed = votes["fail"], votes["pass"]
    word: Decision | None = None if failed == passed else "fail" if failed > passed else "pass"
    source = ADJUDICATION if adjudicated else SINGLE if failed + passed == 1 else CONSENSUS
    kind = _most([each.failure_kind for each in deciding if each.label == "fail"]) if word == "fail" else None
    return Settled(
        label=word,
        kind=kind,
        source=source if word else "",
        failed=counts["fail"],
        passed=counts["pass"],
    )


def _most(kinds: Sequence[FailureKind | None]) -> FailureKind | None:
    ranked = Counter(kind for kind in kinds if kind is not None).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def item_of(record: Mapping[str, Any], line: int) -> str:
    """The id of a record's item. Raises `LabelsInvalid`."""
    name = next(
        (field for field in ("request_id", *ITEM) if record.get(field) not in (None, "")), "request_id"
    )
    return required(record, name, line)


def rater_of(record: Mapping[str, Any], default: str) -> str:
    """Who gave a record's label; ``default`` when it does not say."""
    name = find(record, RATER, given=None, option="")
    return str(record[name]) if name and record[name] not in (None, "") else default


def time_of(record: Mapping[str, Any]) -> Any:
    """When a record's label was given, as the file has it; None when it does not say."""
    name = find(record, TIME, given=None, option="")
    return record[name] if name else None


def label_of(record: Mapping[str, Any], line: int) -> VerdictWord | None:
    """A record's label, None when nobody gave one yet. Raises `LabelsInvalid`."""
    value = record.get("label")
    if value is None or value == "":
        return None
    word = str(value).strip().lower()
    if word not in WORDS:
        raise LabelsInvalid(
            f"line {line}: a label is neither {', '.join(WORDS[:-1])} nor {WORDS[-1]}",
            hint="Write fail, pass or unsure; leave it empty where nobody labelled.",
        )
    found: VerdictWord = word  # type: ignore[assignment]
    return found


def kind_of(record: Mapping[str, Any], line: int) -> FailureKind | None:
    """A record's kind of failure, None when it names none. Raises `LabelsInvalid`."""
    value = record.get("failure_kind")
    if value is None or value == "":
        return None
    try:
        return FailureKind(str(value).strip().lower())
    except ValueError:
        raise LabelsInvalid(
            f"line {line}: unknown failure kind",
            hint=f"Use one of: {', '.join(sorted(str(kind) for kind in FailureKind))}.",
        ) from None


def flag_of(record: Mapping[str, Any], name: str) -> bool:
    """A yes or no of a record, however its file writes it; no when it is not there."""
    return str(record.get(name) or "").strip().lower() in ("true", "1", "yes")


def read_label(record: Mapping[str, Any], line: int, *, rater: str = "") -> Label | None:
    """One label from a record of a file; None where there is no label yet.

    ``rater`` names who gave it when the record does not. A kind of failure counts only with `fail`.
    """
    word = label_of(record, line)
    if word is None:
        return None
    return Label(
        item=item_of(record, line),
        rater=rater_of(record, rater),
        label=word,
        failure_kind=kind_of(record, line) if word == "fail" else None,
        adjudicated=flag_of(record, "adjudicated"),
    )


def by_item(labels: Sequence[tuple[int, Label]]) -> dict[str, list[Label]]:
    """Labels by item, in order of first occurrence. ``labels`` come with the lines they stand on.

    Raises `LabelsInvalid` when one person labelled an item twice.
    """
    found: dict[str, list[Label]] = {}
    for line, label in labels:
        mine = found.setdefault(label.item, [])
        if any(other.rater == label.rater for other in mine):
            who = label.rater or "nobody in particular"
            raise LabelsInvalid(
                f"line {line}: {who} labelled {label.item} twice",
                hint="Keep one label per item and rater; name raters in a field `rater`.",
            )
        mine.append(label)
    return found
