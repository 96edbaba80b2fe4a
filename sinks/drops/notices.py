"""What is to be announced of drops on `tailrace.drops`, and what was: the registry is the outbox.

Whoever publishes a drop (a night, `tailrace drop`, an erasure) leaves its registry row, whoever supersedes
one a mark; workers announce what is not in `announcements` yet. So nothing is lost while no worker runs. Rows
of releases that announced by themselves do not ask for it (`to_announce`): an old lake floods nobody. Marks
do from the first on: a consumer must learn that what it may have trained on is superseded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from contracts.tables import frame_schema
from sinks.drops.marks import superseded as superseded_drops
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.nightly_runs import read_runs
from sinks.transactions import append_once

PUBLISHED: Final = "published"
SUPERSEDED: Final = "superseded"
TABLE: Final = "announcements"
SILENT: Final = timedelta(hours=1)
"""A night that has shown no sign of life for so long is not under way any more."""

SOURCES: Final = ("drops", "drop_marks", "nightly_runs")
"""Tables that decide what is due."""


@dataclass(frozen=True)
class Notice:
    """One message: what about which drop, of which channel."""

    notice: str
    drop_id: str
    channel: str
    value: bytes

    @property
    def id(self) -> str:
        """The same whenever it is sent again, so that consumers can drop repeats."""
        return self.drop_id if self.notice == PUBLISHED else f"{self.drop_id}/{self.notice}"


def published_notice(lake: Lake, row: Mapping[str, Any], drops_root: Path) -> Notice:
    """That a drop was published, by its registry row."""
    return _published(row, drops_root, {new: old for old, new in superseded_drops(lake).items()})


def is_noted(lake: Lake, notice: Notice) -> bool:
    """Whether the broker is known to have it."""
    return not lake.scan(TABLE).filter(notice=notice.notice, drop_id=notice.drop_id).collect().is_empty()


def note(lake: Lake, notice: Notice, now: datetime) -> None:
    """Remember that the broker has it. Raises `LakeUnavailable`."""
    row = {"notice": notice.notice, "drop_id": notice.drop_id, "announced_at": now}
    frame = pl.DataFrame([row], schema=frame_schema(TABLE))
    append_once(lake, TABLE, frame, batch_id=f"{notice.notice}/{notice.drop_id}")


@dataclass(frozen=True)
class Due:
    """What is to be sent now, in this order; `more` that time alone may make due."""

    notices: list[Notice]
    more: bool


def due(lake: Lake, drops_root: Path, now: datetime) -> Due:
    """What was not announced yet: drops as they were registered, then those that were superseded.

    A drop that was superseded before anybody heard of it is announced as superseded only. A drop of a night
    that is still under way is left to its build. Raises `LakeUnavailable`.
    """
    with translated(lake, TABLE, *SOURCES):
        told = set(lake.scan(TABLE).select("notice", "drop_id").collect().iter_rows())
        drops = lake.scan("drops").sort("sequence", "published_at", nulls_last=False).collect()
        marks = lake.scan("drop_marks").sort("marked_at", "drop_id").collect().to_dicts()
    by_id = {row["drop_id"]: row for row in drops.iter_rows(named=True)}
    predecessors = {mark["successor_id"]: mark["drop_id"] for mark in marks}
    replaced = set(predecessors.values())
    new = [
        row
        for row in drops.filter("to_announce").iter_rows(named=True)
        if (PUBLISHED, row["drop_id"]) not in told and row["drop_id"] not in replaced
    ]
    nights = {row["drop_id"] for row in new if _is_under_way(lake, row, now)}
    published = [_published(row, drops_root, predecessors) for row in new if row["drop_id"] not in nights]
    superseded = [
        _superseded(mark, by_id, drops_root)
        for mark in marks
        if (SUPERSEDED, mark["drop_id"]) not in told and mark["drop_id"] in by_id
    ]
    return Due([*published, *superseded], more=bool(nights))


def _is_under_way(lake: Lake, row: Mapping[str, Any], now: datetime) -> bool:
    """Whether a drop's night is not over yet: its build announces it."""
    if row["scheduled_for"] is None:
        return False
    runs = [run for run in read_runs(lake, row["channel"]) if run.night == row["scheduled_for"]]
    return bool(runs) and not any(run.final for run in runs) and now - max(run.at for run in runs) < SILENT


def _published(row: Mapping[str, Any], drops_root: Path, predecessors: Mapping[str, str]) -> Notice:
    value = {"event": PUBLISHED, "drop_id": row["drop_id"], **_about(row, drops_root)}
    return _notice(PUBLISHED, row, {**value, "supersedes": predecessors.get(row["drop_id"])})


def _superseded(mark: Mapping[str, Any], drops: Mapping[str, Mapping[str, Any]], drops_root: Path) -> Notice:
    """Its path, counts and manifest are those of the drop that stands in: there is nothing else to read."""
    row = drops[mark["drop_id"]]
    successor = drops.get(mark["successor_id"], row)
    return _notice(
        SUPERSEDED,
        row,
        {
            "event": SUPERSEDED,
            "drop_id": row["drop_id"],
            **_about(successor, drops_root),
            "superseded_by": mark["successor_id"],
            "reason": mark["reason"],
            "removed_rows": mark["removed_rows"],
            "models": mark["models"],
        },
    )


def _about(row: Mapping[str, Any], drops_root: Path) -> dict[str, Any]:
    return {
        "channel": row["channel"],
        "path": str(drops_root / row["path"]),
        "counts": {
            "preference": row["preference_rows"],
            "unpaired": row["unpaired_rows"],
            "quarantined": row["quarantined_rows"],
        },
        "manifest_sha256": row["manifest_sha256"],
    }


def _notice(notice: str, row: Mapping[str, Any], value: Mapping[str, Any]) -> Notice:
    return Notice(notice, row["drop_id"], row["channel"], msgspec.json.encode(value))
