"""Merging small files, so that no second merge can do the same work again.

deltalake lets two overlapping merges of the same files both succeed, and every row is in the table twice
from then on (measured with 1.6.6; transactions and `max_commit_retries=0` do not help: a merge ignores
both). What a merge does not survive is a change of the table's properties after it began. So every merge
starts by writing one: a *claim*. Whoever claims last may merge; one that began before, on another machine
or in a process that was paused, fails to commit. Nobody has to wait for a lease to run out.

An append that was under way when a claim was written fails once, too, and is repeated by
`sinks.transactions`. Appends under way during the merge itself are not disturbed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from deltalake import WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from contracts.errors import CommitFenced, LakeUnavailable
from contracts.settings import LakeSettings
from sinks.lake import Lake
from sinks.maintenance_layout import Step, day_files
from sinks.maintenance_properties import table_properties
from sinks.maintenance_watermarks import WATERMARK_KEY, watermark_property

CLAIM_KEY: Final = "tailrace.claim"
"""Table property that every merge changes before it begins."""

ROW_GROUP_ROWS: Final = 1 << 15
"""Rows of a row group: bounds what a writer holds in memory and lets readers skip within a file (measured:
an hour of a day takes a third less to read than with four times as many, for 1 % more bytes)."""

COMPRESSION_LEVEL: Final = 3
_COMMIT_EVERY: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a step did: live files and bytes of its day before and after."""

    step: Step
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int

    def as_dict(self) -> dict[str, Any]:
        """For `tailrace lake compact --json`; sizes in MiB."""
        return {
            "table": self.step.table,
            "date": self.step.day.isoformat() if self.step.day else None,
            "files_before": self.files_before,
            "files_after": self.files_after,
            "mb_before": round(self.bytes_before / (1 << 20), 3),
            "mb_after": round(self.bytes_after / (1 << 20), 3),
        }


def merge(lake: Lake, step: Step, options: LakeSettings) -> Merged:
    """Do one step. Rows, transactions and older versions of the table stay as they are.

    A long merge commits what is done every half minute. Raises `CommitFenced` when somebody else
    claimed the table or deleted from it meanwhile, `LakeUnavailable` when the store does not answer;
    the table is whole either way and the step can be planned anew.
    """
    claim(lake, step.table, options)
    # Loaded after the claim: what an earlier merge finished is seen, what it had not finished is fenced.
    table = lake.table(step.table)
    # More files than when the step was planned, if the day is still being appended to.
    before = next((files for files in day_files(step.table, table) if files.day == step.day), step.files)
    try:
        metrics = table.optimize.compact(
            partition_filters=[("date", "=", step.day.isoformat())] if step.day else None,
            target_size=step.target_bytes,
            # One at a time: the stream shares the machine, and memory is bounded by one file.
            max_concurrent_tasks=1,
            min_commit_interval=_COMMIT_EVERY,
            writer_properties=_writer(),
        )
    except CommitFailedError as error:
        raise CommitFenced(f"merging {step.table} gave way to another writer: {error}") from error
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(f"files of {step.table} could not be merged: {error}") from error
    added, removed = metrics["filesAdded"], metrics["filesRemoved"]
    return Merged(
        step=step,
        files_before=len(before.sizes),
        files_after=len(before.sizes) + int(metrics["numFilesAdded"]) - int(metrics["numFilesRemoved"]),
        bytes_before=before.bytes,
        bytes_after=before.bytes + _total(added) - _total(removed),
    )


def claim(lake: Lake, name: str, options: LakeSettings) -> str:
    """Take over a table: merges begun before this fail to commit. Returns the claim's mark.

    The same commit brings the table's properties in line with the settings and, for `interactions`,
    keeps the watermarks where neither later commits nor a cleaned log can hide them. Raises
    `CommitFenced` or `LakeUnavailable`.
    """
    table, mark = lake.table(name), uuid.uuid4().hex
    properties: dict[str, str] = {**wanted_properties(name, options), CLAIM_KEY: mark}
    if name == "interactions" and (watermarks := watermark_property(table)) is not None:
        properties[WATERMARK_KEY] = watermarks
    set_properties(lake, name, properties)
    return mark


def wanted_properties(name: str, options: LakeSettings) -> Mapping[str, str]:
    """Table properties that the settings ask for."""
    return table_properties(
        name, target_file_mb=options.target_file_mb, retention_days=options.retention_days
    )


def set_properties(lake: Lake, name: str, properties: Mapping[str, str]) -> None:
    """Change properties of a table. Raises `CommitFenced` or `LakeUnavailable`."""
    table = lake.table(name)
    try:
        table.alter.set_table_properties(dict(properties), raise_if_not_exists=False)
    except CommitFailedError as error:
        raise CommitFenced(f"properties of {name} gave way to another writer: {error}") from error
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(f"properties of {name} could not be written: {error}") from error


def _writer() -> WriterProperties:
    return WriterProperties(
        compression="ZSTD", compression_level=COMPRESSION_LEVEL, max_row_group_size=ROW_GROUP_ROWS
    )


def _total(files: Any) -> int:
    """Bytes of the added or removed files; deltalake gives their statistics as JSON text."""
    found = json.loads(files) if isinstance(files, str) else files
    return int(found["totalSize"])
