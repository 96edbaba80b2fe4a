"""The lake as it was: every table at one version, to read and never to write.

A build reads nothing else, so that building again is reading the same versions again, and rows that arrive
while it runs are not seen halfway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deltalake import DeltaTable

from contracts.errors import TerminalError
from contracts.settings import LakeSettings
from sinks.lake import Lake

Versions = Mapping[str, int | None]
"""Delta version by table; None: the table had not been created."""


class PinnedLake(Lake):
    """A view of a lake. A table has one version here, whatever version is asked for."""

    def __init__(self, lake: Lake, versions: Versions) -> None:
        # Whatever the lake knows of its stores, keys and erased people holds for the view as well.
        vars(self).update(vars(lake))
        self._versions = dict(versions)

    def exists(self, name: str) -> bool:
        """Whether the table was there."""
        return self._versions.get(name) is not None

    def table(self, name: str, *, version: int | None = None) -> DeltaTable:  # noqa: ARG002
        """The table at its version. Raises `TerminalError` for one that the view does not have."""
        if name not in self._versions:
            raise TerminalError(f"table {name} is not part of what is read here")
        if (pinned := self._versions[name]) is None:
            raise TerminalError(
                f"table {name} is missing under {self.root}",
                hint="Run `tailrace worker` once: it creates the tables that this release has more.",
            )
        return super().table(name, version=pinned)

    def create(self, options: LakeSettings | None = None) -> None:  # noqa: ARG002
        """Raise `TerminalError`."""
        self.require_writable()

    def require_writable(self) -> None:
        """Raise `TerminalError`: the past does not change."""
        raise TerminalError("a pinned lake is only read")


def newest_versions(lake: Lake, names: Iterable[str]) -> dict[str, int | None]:
    """Newest version of each table; None for those that do not exist.

    Not the newest one that changed rows: its files may have been merged and deleted since.
    """
    return {name: lake.version(name) if lake.exists(name) else None for name in names}
