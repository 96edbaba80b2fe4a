"""From records (item, rater, label, …) to ratings, one set per group."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from contracts.errors import LabelsInvalid
from curation.agreement.fields import GROUP, ITEM, LABEL, RATER, TIME, find, pick, required
from curation.agreement.ratings import Label, Level, Ratings

Keep = Literal["error", "first", "last"]
NO_GROUP = "none"
"""Value of `Fields.group` for: one set, whatever fields there are."""


@dataclass(frozen=True)
class Fields:
    """Names of the fields; None: look for the usual ones."""

    item: str | None = None
    rater: str | None = None
    label: str | None = None
    group: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class LabelSets:
    """Ratings by group (the only key is None when there are no groups), and what was found."""

    group_field: str | None
    sets: Mapping[str | None, Ratings]
    level: Level
    level_from: str
    """how the level was found, in words"""
    repeats: int
    """repeated ratings of an item by a rater that were left out"""


@dataclass(frozen=True)
class _Row:
    group: str | None
    item: Hashable
    rater: str
    label: Label | None
    time: float | None


def read_labels(
    records: Sequence[Mapping[str, Any]],
    *,
    lines: Sequence[int],
    fields: Fields | None = None,
    level: Level | None = None,
    order: Sequence[str] | None = None,
    keep: Keep = "error",
) -> LabelSets:
    """Sort records into ratings. A label of null or "" is a gap.

    ``lines`` are the records' line numbers, for messages. ``order`` names text labels from low to high.
    Raises `LabelsInvalid` for missing fields, unusable values, and repeats unless ``keep`` says which stays.
    """
    if not records:
        raise LabelsInvalid("there are no records", hint="Each line needs an item, a rater and a label.")
    rows, group_field = _rows(records, lines, fields or Fields())
    labels = [row.label for row in rows if row.label is not None]
    if not labels:
        raise LabelsInvalid("every label is missing", hint="Name the label's field with --label-field.")
    numeric = all(_is_number(label) for label in labels)
    if not numeric and any(_is_number(label) for label in labels):
        if level is None:
            raise LabelsInvalid(
                "labels are partly numbers and partly text",
                hint="--level nominal takes all as text, --level ordinal all as numbers.",
            )
        rows = [replace(row, label=None if row.label is None else str(row.label)) for row in rows]
    level, why = _level(level, numeric=numeric, order=order)
    as_numbers = level is not Level.NOMINAL and order is None and not numeric
    if as_numbers:
        rows = [_with_number(row, line) for row, line in zip(rows, lines, strict=True)]
    rows, repeats = _deduplicated(rows, lines, keep)
    timed = all(row.time is not None for row in rows)
    scale: Sequence[Label] | None = order
    if order is not None and numeric:
        scale = [_number(label, 0) for label in order]
    sets: dict[str | None, Ratings] = {}
    for group in dict.fromkeys(row.group for row in rows):
        mine = [row for row in rows if row.group == group]
        sets[group] = Ratings.from_rows(
            [(row.item, row.rater, row.label) for row in mine],
            order=scale,
            times=[row.time or 0.0 for row in mine] if timed else None,
        )
    return LabelSets(group_field=group_field, sets=sets, level=level, level_from=why, repeats=repeats)


def _level(given: Level | None, *, numeric: bool, order: Sequence[str] | None) -> tuple[Level, str]:
    if given is not None:
        return given, "as asked"
    if order is not None:
        return Level.ORDINAL, "an order was given"
    if numeric:
        return Level.ORDINAL, "the labels are numbers"
    return Level.NOMINAL, "the labels are not numbers"


def _is_number(label: Label) -> bool:
    return isinstance(label, int | float) and not isinstance(label, bool)


def _rows(
    records: Sequence[Mapping[str, Any]], lines: Sequence[int], fields: Fields
) -> tuple[list[_Row], str | None]:
    names = {name for record in records for name in record}
    item = pick(names, ITEM, given=fields.item, what="item", option="--item-field")
    rater = pick(names, RATER, given=fields.rater, what="rater", option="--rater-field")
    label = pick(names, LABEL, given=fields.label, what="label", option="--label-field")
    group = None
    if fields.group != NO_GROUP:
        group = find(names - {item, rater, label}, GROUP, given=fields.group, option="--by")
    time = find(names, TIME, given=fields.time, option="--time-field")
    rows = []
    for record, line in zip(records, lines, strict=True):
        if label not in record:
            raise LabelsInvalid(f"line {line} has no {label}", hint="Write null where there is no rating.")
        rows.append(
            _Row(
                group=required(record, group, line) if group else None,
                item=required(record, item, line),
                rater=required(record, rater, line),
                label=_label(record[label], line, label),
                time=_time(record.get(time), line, time) if time else None,
            )
        )
    return rows, group


def _label(value: Any, line: int, field: str) -> Label | None:
    if value is None or value == "":
        return None
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if math.isinf(value):
            raise LabelsInvalid(
                f"line {line}: {field} is infinite", hint="Write null where there is no rating."
            )
    if not isinstance(value, str | int | float):
        raise LabelsInvalid(
            f"line {line}: {field} is neither text, a number nor true/false",
            hint="One label per record; write several labels of an item as several records.",
        )
    return value


def _time(value: Any, line: int, field: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise LabelsInvalid(
            f"line {line}: {field} is not a time",
            hint="Write RFC 3339 or seconds since 1970, or name another field.",
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(text: Any, line: int) -> float:
    try:
        return float(text)
    except ValueError:
        raise LabelsInvalid(
            f"line {line}: a label is not a number"
            if line
            else "the order holds a label that is not a number",
            hint="Give text labels their order with --order low,middle,high.",
        ) from None


def _with_number(row: _Row, line: int) -> _Row:
    if row.label is None:
        return row
    return replace(row, label=_number(row.label, line))


def _deduplicated(rows: list[_Row], lines: Sequence[int], keep: Keep) -> tuple[list[_Row], int]:
    kept: dict[tuple[str | None, Hashable, str], int] = {}
    repeats: list[int] = []
    for n, row in enumerate(rows):
        key = (row.group, row.item, row.rater)
        if key not in kept or rows[kept[key]].label is None:
            kept[key] = n
        elif row.label is not None:
            repeats.append(n)
            if keep == "last":
                kept[key] = n
    if repeats and keep == "error":
        shown = "; ".join(f"line {lines[n]}: {rows[n].rater} on {rows[n].item}" for n in repeats[:3])
        raise LabelsInvalid(
            f"{len(repeats)} ratings repeat an item and rater ({shown}{' …' if len(repeats) > 3 else ''})",
            hint="Keep one with --keep first or --keep last; or name what tells them apart with --by FIELD.",
        )
    return [rows[n] for n in sorted(kept.values())], len(repeats)
