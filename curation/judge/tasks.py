"""What people have to label: written once, listed until somebody labelled it, exported with its texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import polars as pl

from contracts.chat import TurnsUnusable, chat_turns
from contracts.messages import decode_messages
from contracts.settings import PrivacySettings
from contracts.tables import frame_schema
from curation.judge.gold import annotation_labels, current_annotations, gold_in_force
from curation.judge.judgeable import judgeable
from curation.judge.labels import by_item, settle
from curation.judge.routing import task_rows
from curation.judge.verdicts import Evidence
from sinks.lake import Lake
from sinks.transactions import append_new

OPEN: Final = "open"
DISPUTED: Final = "disputed"
LABELLED: Final = "labelled"
"""open: nobody labelled the request. disputed: people did, and are tied or unsure. labelled: done."""


def write_tasks(lake: Lake, routed: pl.DataFrame, *, now_us: int, drop_id: str | None = None) -> int:
    """Route rows (`routing.ROUTED_SCHEMA`) to people; what was routed before is not written again.

    Returns how many tasks are new. `now_us` is the clock, UTC microseconds. A lake of an older release gets
    the table first.
    """
    if routed.is_empty():
        return 0
    if not lake.exists("annotation_tasks"):
        lake.create()
    rows = task_rows(routed, now_us=now_us, drop_id=drop_id)
    return append_new(lake, "annotation_tasks", rows, key="task_id")


def tasks(lake: Lake) -> pl.DataFrame:
    """All tasks (columns of `annotation_tasks`) with `status`, the most urgent first."""
    if not lake.exists("annotation_tasks"):
        return pl.DataFrame(schema={**frame_schema("annotation_tasks"), "status": pl.String()})
    rows = lake.scan("annotation_tasks").unique("task_id", keep="any").collect()
    status = dict.fromkeys(gold_in_force(lake).labels, LABELLED)
    requests = rows["request_id"].unique().to_list()
    annotations = current_annotations(lake, requests)
    if annotations.height:
        for name, labels in by_item([(0, label) for label in annotation_labels(annotations)]).items():
            status.setdefault(name, LABELLED if settle(labels).label else DISPUTED)
    found = pl.Series([status.get(name, OPEN) for name in rows["request_id"]], dtype=pl.String)
    return rows.with_columns(status=found).sort("priority", "task_id", descending=[True, False])


def unfinished(rows: pl.DataFrame) -> pl.DataFrame:
    """Tasks that still need somebody, one per request: the most urgent."""
    waiting = rows.filter(pl.col("status") != LABELLED)
    return waiting.unique("request_id", keep="first", maintain_order=True)


def export(lake: Lake, rows: pl.DataFrame, privacy: PrivacySettings) -> Iterator[dict[str, Any]]:
    """One record per task with everything needed to label it, and empty fields for the label.

    Texts are redacted as in a build. What the judge said is left out: people who see it tend to agree with
    it. Tasks whose request the lake holds no more are left out.
    """
    held = judgeable(lake, rows["request_id"].to_list(), privacy)
    texts = {row["request_id"]: row for row in held.iter_rows(named=True)}
    for task in rows.iter_rows(named=True):
        row = texts.get(task["request_id"])
        if row is None:
            continue
        yield {
            "task_id": task["task_id"],
            "request_id": task["request_id"],
            "reason": task["reason"],
            "feature": task["feature"],
            "messages": _turns(row["input_messages"]),
            "response": _turns(row["output_messages"]),
            "tools": msgspec.json.decode(row["tools"]) if row["tools"] else None,
            "evidence": Evidence.from_interaction(row).observed(),
            "label": None,
            "failure_kind": None,
            "severity": None,
            "corrected_response": None,
            "note": None,
            "rater": None,
        }


def _turns(stored: str) -> Any:
    """Chat turns where they can hold everything, else messages with all their parts."""
    messages = decode_messages(stored)
    try:
        return chat_turns(messages)
    except TurnsUnusable:
        return msgspec.to_builtins(messages)
