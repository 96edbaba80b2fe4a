"""Labels from people into the lake: history in `annotations`, what they agree on in `gold_labels`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl

from contracts.errors import LabelsInvalid
from contracts.tables import frame_schema
from curation.judge.gold import (
    UNVERSIONED,
    GoldLabel,
    adjudicated_ids,
    annotation_labels,
    current_annotations,
    gold_in_force,
)
from curation.judge.labels import ADJUDICATION, by_item, kind_of, label_of, read_label, settle
from sinks.lake import Lake
from sinks.transactions import append_new, append_once


@dataclass(frozen=True)
class Labelled:
    """What a file of labels came to: counts.

    new: annotations written. unchanged: there before. unlabelled: records without a label. gold: requests
    whose gold label is new or another one. withdrawn: whose gold label was taken back. tied: requests on
    which people are not agreed.
    """

    new: int
    unchanged: int
    unlabelled: int
    gold: int
    withdrawn: int
    tied: int


_SAID = ("label", "failure_kind", "severity", "corrected_response", "note", "guideline_version")


def record_labels(
    lake: Lake,
    records: Sequence[Mapping[str, Any]],
    *,
    lines: Sequence[int],
    rater: str = "",
    guideline: str = "",
    now_us: int,
) -> Labelled:
    """Store labels of a file; storing the same file again changes nothing.

    A record has `request_id` and `label` (fail, pass, unsure), and may have `failure_kind`, `severity`,
    `corrected_response`, `note`, `rater`, `guideline_version`, and `adjudicated`: this person has the last
    word. `rater` and `guideline` are for records that name none. A person's new label replaces their earlier
    one. Gold labels follow: the adjudicated label, else the majority; a tie withdraws one; imported ones
    yield to adjudication only. Everything is checked before anything is written: raises `LabelsInvalid`.
    `now_us` is the clock, UTC microseconds.
    """
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    said: list[dict[str, Any]] = []
    deciding: dict[str, str] = {}
    unlabelled = 0
    checked = []
    for record, line in zip(records, lines, strict=True):
        label = read_label(record, line, rater=rater)
        if label is None:
            unlabelled += 1
            continue
        if not label.rater:
            raise LabelsInvalid(
                f"line {line} does not say who labelled it",
                hint="Name them (a pseudonym will do) in a field `rater`, or all of them with --rater.",
            )
        checked.append((line, label))
        said.append(_annotation(record, line, label.item, label.rater, guideline))
        if label.adjudicated:
            deciding[label.item] = label.rater
    touched = list(by_item(checked))
    _require_known(lake, touched)
    before = {(row["request_id"], row["annotator"]): row for row in _current(lake, touched)}
    fresh = [
        row
        for row in (
            _following(each, before.get((each["request_id"], each["annotator"])), now) for each in said
        )
        if row is not None
    ]
    if fresh:
        frame = pl.DataFrame(fresh, schema=frame_schema("annotations"), infer_schema_length=None)
        append_new(lake, "annotations", frame, key="annotation_id")
    gold, withdrawn, tied = _settle_gold(lake, touched, deciding, now)
    return Labelled(len(fresh), len(said) - len(fresh), unlabelled, gold, withdrawn, tied)


def _annotation(
    record: Mapping[str, Any], line: int, request_id: str, annotator: str, guideline: str
) -> dict[str, Any]:
    word = label_of(record, line)
    kind = kind_of(record, line) if word == "fail" else None
    return {
        "request_id": request_id,
        "annotator": annotator,
        "guideline_version": str(record.get("guideline_version") or guideline or UNVERSIONED),
        "label": word,
        "failure_kind": None if kind is None else str(kind),
        "severity": _severity(record.get("severity"), line) if word == "fail" else None,
        "corrected_response": _text(record.get("corrected_response")),
        "note": _text(record.get("note")),
    }


def _following(
    said: dict[str, Any], before: Mapping[str, Any] | None, now: datetime
) -> dict[str, Any] | None:
    """The annotation that follows a person's earlier one; None when it says the same."""
    if before is not None and all(said[name] == before[name] for name in _SAID):
        return None
    supersedes = None if before is None else before["annotation_id"]
    content = msgspec.json.encode([supersedes, said], order="deterministic")
    return {
        **said,
        "annotation_id": hashlib.sha256(content).hexdigest()[:24],
        "supersedes": supersedes,
        "labelled_at": now,
        "date": now.date(),
    }


def _settle_gold(
    lake: Lake, touched: Sequence[str], deciding: Mapping[str, str], now: datetime
) -> tuple[int, int, int]:
    """Bring gold labels of some requests in line with their annotations: (changed, withdrawn, tied)."""
    in_force = gold_in_force(lake)
    annotations = current_annotations(lake, touched)
    rows: list[dict[str, Any]] = []
    tied = 0
    last_word = adjudicated_ids(in_force) | _ids_of(annotations, deciding)
    for request_id, labels in by_item(
        [(0, each) for each in annotation_labels(annotations, last_word)]
    ).items():
        mine = annotations.filter(pl.col("request_id") == request_id)
        now_gold = in_force.labels.get(request_id)
        settled = settle(labels)
        tied += settled.label is None and settled.failed > 0
        if settled.label is None:
            if now_gold is not None and now_gold.annotation_ids:
                rows.append(_gold_row(now_gold, now, withdrawn=True))
            continue
        imported = now_gold is not None and not now_gold.annotation_ids
        if imported and settled.source != ADJUDICATION:
            continue
        behind = mine.filter(pl.col("label") == settled.label)
        adjudicated = behind.filter(pl.col("annotation_id").is_in(list(last_word)))
        behind = adjudicated if adjudicated.height else behind
        new = GoldLabel(
            request_id=request_id,
            label=settled.label,
            failure_kind=settled.kind,
            source=settled.source,
            guideline_version=behind["guideline_version"].max() or UNVERSIONED,  # type: ignore[arg-type]
            annotation_ids=tuple(behind["annotation_id"].sort()),
        )
        if new != now_gold:
            rows.append(_gold_row(new, now))
    if rows:
        frame = pl.DataFrame(rows, schema=frame_schema("gold_labels"), infer_schema_length=None)
        snapshot = _snapshot(rows)
        append_once(
            lake, "gold_labels", frame.with_columns(snapshot=pl.lit(snapshot)), batch_id=f"gold/{snapshot}"
        )
    withdrawn = sum(row["withdrawn"] is True for row in rows)
    return len(rows) - withdrawn, withdrawn, tied


def _ids_of(annotations: pl.DataFrame, deciding: Mapping[str, str]) -> frozenset[str]:
    return frozenset(
        row["annotation_id"]
        for row in annotations.iter_rows(named=True)
        if deciding.get(row["request_id"]) == row["annotator"]
    )


def _gold_row(gold: GoldLabel, now: datetime, *, withdrawn: bool | None = None) -> dict[str, Any]:
    return {
        "request_id": gold.request_id,
        "label": gold.label,
        "failure_kind": None if gold.failure_kind is None else str(gold.failure_kind),
        "source": gold.source,
        "annotation_ids": list(gold.annotation_ids),
        "guideline_version": gold.guideline_version,
        "snapshot": "",
        "withdrawn": withdrawn,
        "labelled_at": now,
        "date": now.date(),
    }


def _snapshot(rows: Sequence[Mapping[str, Any]]) -> str:
    content = msgspec.json.encode(sorted(rows, key=lambda row: str(row["request_id"])), order="deterministic")
    return hashlib.sha256(content).hexdigest()[:16]


def _current(lake: Lake, requests: Sequence[str]) -> list[dict[str, Any]]:
    return current_annotations(lake, requests).to_dicts()


def _require_known(lake: Lake, requests: Sequence[str]) -> None:
    """Labels of requests the lake never saw are most likely meant for another lake."""
    wanted = pl.col("request_id").is_in(list(requests))
    known = set(lake.scan("requests").filter(wanted).select("request_id").collect()["request_id"])
    if missing := [name for name in requests if name not in known]:
        raise LabelsInvalid(
            f"{len(missing):,} of {len(requests):,} labelled requests are not in this lake: {missing[0]}"
            + (", …" if len(missing) > 1 else ""),
            hint="Is it the right --home? A gold set of its own goes to `tailrace judge calibrate --gold`.",
        )


def _severity(value: Any, line: int) -> int | None:
    if value is None or value == "":
        return None
    try:
        severity = int(value)
    except (TypeError, ValueError):
        severity = 0
    if not 1 <= severity <= 5:
        raise LabelsInvalid(f"line {line}: severity is not 1 to 5", hint="Leave it empty when not rated.")
    return severity


def _text(value: Any) -> str | None:
    return str(value) if value is not None and str(value).strip() else None
