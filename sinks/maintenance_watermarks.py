"""Where the watermarks of the join are kept in the log of `interactions`.

Every append notes the watermarks of its partitions in its commit. That alone would lose them: to
log cleanup, and for a partition without traffic to the commits of the others. So maintenance puts all of
them into a table property now and then, with the version it read them at; commits after it count on top.
"""

from __future__ import annotations

import json
from typing import Final

from deltalake import DeltaTable

WATERMARK_KEY: Final = "tailrace.watermarks"
"""In a commit: watermark per Kafka partition, UTC microseconds, as JSON. As a table property: the same
under `partitions`, and the table's `version` they were read at."""

MOST_COMMITS: Final = 20_000
"""Commits read at most when nobody stored the property (maintenance is off); about a day of them."""


def read_watermarks(table: DeltaTable) -> dict[int, int]:
    """Watermark per Kafka partition at its last settlement, UTC microseconds."""
    since, found = _stored(table)
    behind = min(int(table.version()) - since, MOST_COMMITS)
    for commit in reversed(table.history(behind)) if behind > 0 else ():
        if commit["version"] > since and (noted := commit.get(WATERMARK_KEY)):
            found.update(_numbers(json.loads(noted)))
    return found


def watermark_property(table: DeltaTable) -> str | None:
    """Value of the table property that keeps today's watermarks; None when it holds them already."""
    current = read_watermarks(table)
    if current == _stored(table)[1]:
        return None
    return json.dumps({"version": int(table.version()), "partitions": current})


def _stored(table: DeltaTable) -> tuple[int, dict[int, int]]:
    value = table.metadata().configuration.get(WATERMARK_KEY)
    if not value:
        return -1, {}
    stored = json.loads(value)
    return int(stored["version"]), _numbers(stored["partitions"])


def _numbers(marks: dict[str, int]) -> dict[int, int]:
    return {int(partition): int(us) for partition, us in marks.items()}
