"""Bounding history: checkpoints of the Delta log, expired log entries, replaced files, watermarks.

Nothing here changes a row. A table nobody wrote to is left alone, commit by commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from contracts.errors import LakeUnavailable
from contracts.settings import LakeSettings
from contracts.validation import SECOND
from sinks.drops.rebuildable import readable_pins, unbuildable
from sinks.lake import Lake
from sinks.maintenance_compaction import set_properties, wanted_properties
from sinks.maintenance_properties import LOG_MARGIN_HOURS
from sinks.maintenance_watermarks import WATERMARK_KEY, watermark_property

log = logging.getLogger("tailrace.maintenance")


@dataclass(frozen=True, slots=True)
class Kept:
    """What housekeeping did for a table. `removed`: files deleted, or found when only looking. `unbuildable`:
    drops that could be rebuilt before."""

    table: str
    checkpointed: bool
    removed: int
    unbuildable: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For `tailrace lake vacuum --json`."""
        return {
            "table": self.table,
            "checkpointed": self.checkpointed,
            "removed": self.removed,
            "no_longer_rebuildable": list(self.unbuildable),
        }


def housekeep(lake: Lake, name: str, options: LakeSettings, *, now_us: int) -> Kept:
    """Store watermarks, delete expired files, write a checkpoint, drop expired log entries.

    In this order: a watermark is never only in a log entry that is about to go, and neither is the
    version that says which files are needed. Transaction versions are part of every checkpoint, so
    exactly-once appends survive. Drops that can no longer be rebuilt are logged. `now_us`: the clock. Raises
    `CommitFenced` or `LakeUnavailable`.
    """
    align(lake, name, options)
    lost: list[str] = []

    def losing(paths: list[str]) -> None:
        lost.extend(unbuildable(lake, {name: paths}, rows_go=False))

    removed = vacuum(lake, name, options, now_us=now_us, before=losing)
    table, old = lake.table(name), readable_pins(lake, name, _expiring(lake, name, options, now_us))
    try:
        checkpointed = _commits_since_checkpoint(lake, name, table) > 0
        if checkpointed:
            table.create_checkpoint()
        table.cleanup_metadata()
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(f"the log of {name} could not be cleaned up: {error}") from error
    if old:
        left = readable_pins(lake, name, old)
        lost += [drop for version, drops in old.items() if version not in left for drop in drops]
    if lost:
        log.warning("%s: drops that can no longer be rebuilt: %s", name, ", ".join(lost))
    return Kept(name, checkpointed, len(removed), tuple(lost))


def _expiring(lake: Lake, name: str, options: LakeSettings, now_us: int) -> list[int]:
    """Versions whose log entry is old enough to be dropped; on object stores none are known."""
    folder = lake.folder(name)
    if folder is None:
        return []
    oldest = now_us / SECOND - (options.retention_days * 24 + LOG_MARGIN_HOURS) * 3_600
    log_files = (folder / "_delta_log").glob("*.json")
    return [int(file.stem) for file in log_files if file.stat().st_mtime < oldest]


def align(lake: Lake, name: str, options: LakeSettings) -> bool:
    """Bring table properties in line with the settings, and store the watermarks of `interactions`.

    Returns whether a commit was needed. Raises `CommitFenced` or `LakeUnavailable`.
    """
    table = lake.table(name)
    current = dict(table.metadata().configuration)
    wanted = dict(wanted_properties(name, options))
    if name == "interactions" and (watermarks := watermark_property(table)) is not None:
        wanted[WATERMARK_KEY] = watermarks
    if all(current.get(key) == value for key, value in wanted.items()):
        return False
    set_properties(lake, name, wanted)
    return True


def vacuum(
    lake: Lake,
    name: str,
    options: LakeSettings,
    *,
    now_us: int,
    days: float | None = None,
    dry_run: bool = False,
    before: Callable[[list[str]], None] = lambda _paths: None,
) -> list[str]:
    """Delete files that no version of the last `days` (default and least: `retention_days`) needs.

    A file that was live at some time of the retention was either made in it, or live in the version
    that was the newest when it began. Both are kept, whatever the log still says of replaced files.
    Files of writes that never committed are deleted once they are that old. `now_us`: the clock. `before` is
    told the paths while they are there.
    Returns the paths. Raises `LakeUnavailable`.
    """
    hours = round(max(days or 0, options.retention_days) * 24)
    table, oldest = lake.table(name), lake.table(name)
    try:
        oldest.load_as_version(datetime.fromtimestamp(now_us / SECOND, UTC) - timedelta(hours=hours))
        keep = [int(oldest.version())]

        def run(*, dry: bool) -> list[str]:
            return list(
                table.vacuum(
                    hours, dry_run=dry, full=True, enforce_retention_duration=False, keep_versions=keep
                )
            )

        # Looking first: a vacuum that finds nothing would still add two commits to the log.
        found = run(dry=True)
        before(found)
        if found and not dry_run:
            run(dry=False)
    except (DeltaError, OSError) as error:
        raise LakeUnavailable(f"old files of {name} could not be deleted: {error}") from error
    return found


def _commits_since_checkpoint(lake: Lake, name: str, table: DeltaTable) -> int:
    """Commits a reader has to replay; without a look at the log (object stores) all of them."""
    version = int(table.version())
    if (folder := lake.folder(name)) is None:
        return version
    log = folder / "_delta_log"
    done = [int(f.name.split(".", 1)[0]) for f in log.glob("*.checkpoint*.parquet")]
    return version - max(done, default=0)
