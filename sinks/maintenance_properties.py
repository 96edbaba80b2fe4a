"""Delta table properties of the lake: what readers may skip by, and how long history is kept."""

from __future__ import annotations

from typing import Final

from contracts.tables import frame_schema

HOUR_US: Final = 3_600_000_000
MEGABYTE: Final = 1 << 20

CHECKPOINT_COMMITS: Final = 50
"""Commits between two checkpoints of a Delta log. Every append loads its table first, and replays the
commits since the last checkpoint to do so (measured: 0.1 ms each)."""

TOMBSTONE_HOURS: Final = 24
"""How long a checkpoint names the files that merges replaced. A stream replaces thousands a day, and every
load of the table reads them all, every checkpoint writes them all (measured for 204,000, twelve
days' worth: 250 ms and 4.5 s). How long the files themselves stay is not decided by this: `vacuum` here
keeps what the versions of the retention need. A VACUUM by another engine would not."""

LOG_MARGIN_HOURS: Final = 48
"""The log reaches this much further back than the files, so that the oldest version kept can be loaded."""

STATISTICS: Final = (
    "request_id",
    "session_id",
    "event_id",
    "example_id",
    "drop_id",
    "content_hash",
    "epoch",
    "occurred_at",
    "received_at",
    "evidence_until",
    "partition",
    "offset",
    "revision",
    "duplicate",
    "late",
)
"""Columns whose smallest and largest value are kept in the Delta log, for readers to skip files by.

Without this list the first 32 columns are, which puts the beginnings of prompts, responses and edited
texts into the log, where an erasure of the data files would not reach them."""


def table_properties(name: str, *, target_file_mb: int, retention_days: float) -> dict[str, str]:
    """Properties of a table. `retention_days`: how far back its versions stay readable."""
    # Whole hours: Delta's interval syntax knows no fractions.
    log_hours = round(retention_days * 24) + LOG_MARGIN_HOURS
    columns = frame_schema(name)
    skippable = [c for c in STATISTICS if c in columns]
    statistics = (
        {"delta.dataSkippingStatsColumns": ",".join(skippable)}
        if skippable
        else {"delta.dataSkippingNumIndexedCols": "0"}
    )
    return {
        "delta.targetFileSize": str(target_file_mb * MEGABYTE),
        "delta.checkpointInterval": str(CHECKPOINT_COMMITS),
        "delta.deletedFileRetentionDuration": f"interval {TOMBSTONE_HOURS} hours",
        "delta.logRetentionDuration": f"interval {log_hours} hours",
        **statistics,
    }
