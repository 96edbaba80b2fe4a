"""What the documents of a drop are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import polars as pl

from sinks.drops.checks import Check
from sinks.drops.documents.summary import Summary, summarise
from sinks.drops.documents.tables import Table, tables_of


@dataclass(frozen=True)
class Drop:
    """A drop that is being staged.

    manifest: its content with `files` as far as they are written (training files and provenance).
    checks: what was asserted of those.
    """

    manifest: Mapping[str, Any]
    summary: Summary
    tables: tuple[Table, ...]
    checks: tuple[Check, ...] = ()

    @classmethod
    def of(
        cls, folder: Path, manifest: Mapping[str, Any], rows: pl.DataFrame, checks: Sequence[Check] = ()
    ) -> Self:
        """Read what is staged in a folder, and count its rows."""
        # As it will be read back: a rebuild, which has only that, writes the same documents.
        plain = msgspec.json.decode(msgspec.json.encode(manifest, order="sorted"), type=dict[str, Any])
        return cls(plain, summarise(rows), tuple(tables_of(folder, plain["files"])), tuple(checks))

    @property
    def drop_id(self) -> str:
        """Name of the drop."""
        return str(self.manifest["drop_id"])

    @property
    def channel(self) -> str:
        """Channel it belongs to; empty when the manifest does not say."""
        return str(self.manifest.get("channel") or "")

    def table(self, name: str) -> Table | None:
        """The table of a folder, None when the drop has no such rows."""
        return next((table for table in self.tables if table.name == name), None)
