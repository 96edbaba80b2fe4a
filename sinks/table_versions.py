"""Whether an old version of a table can still be read, and if not, what of it is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from contracts.errors import TailraceError
from sinks.erasure.storage import is_data, table_files
from sinks.lake import MAINTENANCE_OPERATIONS, Lake

_AT_ONCE: Final = 20
"""Commits that are read at a time."""


@dataclass(frozen=True)
class Gone:
    """What keeps a version from being read: its log entry, or data files that were deleted."""

    table: str
    version: int
    files: int = 0
    of: int = 0

    def __str__(self) -> str:
        what = f"table {self.table} version {self.version}"
        if not self.of:
            return f"{what}: its log entry was cleaned up"
        return f"{what}: {self.files:,} of its {self.of:,} data files were deleted (vacuum or erasure)"


def stored_files(lake: Lake, name: str) -> set[str]:
    """Paths of all data files in a table's store, below the table."""
    return {file.path for file in table_files(lake, name).all() if is_data(file.path)}


def files_of(lake: Lake, name: str, version: int) -> set[str] | None:
    """Paths of the data files of a version, below the table; None when its log entry is gone."""
    try:
        table = lake.table(name, version=version)
    except TailraceError:
        return None
    root = lake.uri(name).removeprefix("file://").rstrip("/") + "/"
    return {uri.removeprefix("file://").partition(root)[2] for uri in table.file_uris()}


def gone(lake: Lake, name: str, version: int, stored: set[str] | None = None) -> Gone | None:
    """What of a version is gone; None when it can be read. `stored`: `stored_files`, when known."""
    needed = files_of(lake, name, version)
    if needed is None:
        return Gone(name, version)
    there = stored_files(lake, name) if stored is None else stored
    lost = len(needed - there)
    return Gone(name, version, lost, len(needed)) if lost else None


def same_rows_from(lake: Lake, name: str, version: int) -> list[int]:
    """Later versions that hold the very rows of one, oldest first: those that only merged files or the like
    led to. Ends where the log does not reach back to it. Reads some commits after the version, not all."""
    if not lake.exists(name):
        return []
    newest, found = lake.version(name), []
    known: dict[int, Any] = {}
    for later in range(version + 1, newest + 1):
        if later not in known:
            until = min(newest, later + _AT_ONCE - 1)
            commits = lake.table(name, version=until).history(until - later + 1)
            known = {int(commit["version"]): commit["operation"] for commit in commits}
        if known.get(later) not in MAINTENANCE_OPERATIONS:
            break
        found.append(later)
    return found
