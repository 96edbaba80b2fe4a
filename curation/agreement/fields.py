"""Which field of a record means what: the usual names are known, others are given."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from contracts.errors import LabelsInvalid

ITEM: Final = (
    "item",
    "item_id",
    "unit",
    "unit_id",
    "example_id",
    "request_id",
    "question_id",
    "task_id",
    "id",
)
RATER: Final = (
    "rater",
    "rater_id",
    "annotator",
    "annotator_id",
    "coder",
    "coder_id",
    "judge",
    "judge_id",
    "worker",
)
LABEL: Final = ("label", "score", "rating", "value", "verdict", "answer")
GROUP: Final = ("aspect", "criterion", "dimension", "task", "metric")
TIME: Final = (
    "labelled_at",
    "labeled_at",
    "rated_at",
    "created_at",
    "occurred_at",
    "timestamp",
    "time",
    "at",
)


def pick(fields: Collection[str], known: Sequence[str], *, given: str | None, what: str, option: str) -> str:
    """The field that holds ``what``. Raises `LabelsInvalid` naming the fields there are."""
    found = find(fields, known, given=given, option=option)
    if found is None:
        raise LabelsInvalid(
            f"no field for the {what}: looked for {', '.join(known)}; there are {', '.join(sorted(fields))}",
            hint=f"Name the field with {option}.",
        )
    return found


def find(fields: Collection[str], known: Sequence[str], *, given: str | None, option: str) -> str | None:
    """The field of that meaning, or None. Raises `LabelsInvalid` when the one given is not there."""
    if given is not None:
        if given not in fields:
            raise LabelsInvalid(
                f"there is no field {given}; there are {', '.join(sorted(fields))}",
                hint=f"Check {option}.",
            )
        return given
    return next((name for name in known if name in fields), None)


def required(record: Mapping[str, Any], name: str, line: int) -> str:
    """The value of a field every record needs, as text. Raises `LabelsInvalid` naming the line."""
    value = record.get(name)
    if isinstance(value, list | tuple) and value:
        # FastChat names a judge as [model, prompt].
        return ":".join(map(str, value))
    if value is None or value == "" or isinstance(value, dict | list | tuple):
        raise LabelsInvalid(
            f"line {line} has no {name}", hint="Every record needs one; or remove the record."
        )
    return str(value)


def turn_of(value: Any, line: int) -> int:
    """A turn counted from 1; 1 when the record has none."""
    if value is None:
        return 1
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise LabelsInvalid(f"line {line}: turn is not a whole number", hint="Turns are counted from 1.")
